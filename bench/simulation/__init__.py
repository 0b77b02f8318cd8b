"""The real scheduler, residency and ledger under a virtual clock: hours of queueing in seconds."""
