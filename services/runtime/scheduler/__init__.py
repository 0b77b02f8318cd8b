"""The queue in front of a capability's models."""

from services.runtime.scheduler.scheduler import Scheduler, Turn
from services.runtime.scheduler.ticket import Entry, Models, Observer, Outcome, Policy, Ticket

__all__ = ["Entry", "Models", "Observer", "Outcome", "Policy", "Scheduler", "Ticket", "Turn"]
