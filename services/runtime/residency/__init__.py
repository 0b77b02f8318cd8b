"""The models in memory, and the memory itself."""

from services.runtime.residency.ledger import Ledger
from services.runtime.residency.placement import Footprint, Placement
from services.runtime.residency.residency import NEVER, Residency
from services.runtime.residency.resident import Facts, Listener, Observer, State

__all__ = [
    "NEVER", "Facts", "Footprint", "Ledger", "Listener", "Observer", "Placement", "Residency",
    "State",
]  # fmt: skip
