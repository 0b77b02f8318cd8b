"""Starts the arbiter: `python -m services.arbiter`."""

from services.arbiter.server import run
from services.arbiter.settings import ArbiterSettings
from services.runtime.environment import settings_of
from services.runtime.residency.devices import capacity, free
from services.runtime.residency.ledger import Ledger

if __name__ == "__main__":
    settings = settings_of(ArbiterSettings)
    # A device that is named is there, whether or not this process is shown it.
    devices = {**settings.budgets, **capacity(settings.budgets)}
    run(Ledger(devices, measured=free), settings)
