"""Start-time fair queueing: what each key has been served, as virtual time.

P. Goyal, H. M. Vin and H. Cheng, "Start-time Fair Queueing: A Scheduling Algorithm for Integrated
Services Packet Switching Networks", SIGCOMM 1996. While two keys both wait, what they are served
differs by no more than the cost of one ticket of each.
"""

_PRUNE_AT = 1024


class Fairness:
    """The virtual time of one level. Costs are in the capability's own unit."""

    def __init__(self) -> None:
        self._now = 0.0
        self._finish: dict[str, float] = {}
        self._prune_at = _PRUNE_AT

    def arrive(self, key: str, cost: float) -> float:
        """The start tag of a ticket; the smallest goes first."""
        start = max(self._now, self._finish.get(key, 0.0))
        self._finish[key] = start + cost
        if len(self._finish) > self._prune_at:
            self._prune()
        return start

    def serve(self, tag: float) -> None:
        """The ticket with this tag has its turn."""
        self._now = max(self._now, tag)

    def refund(self, key: str, cost: float) -> None:
        """A ticket left without a turn."""
        if key in self._finish:
            self._finish[key] = max(self._now, self._finish[key] - cost)

    def charge(self, key: str, difference: float) -> None:
        """A turn cost more, or less, than its ticket said: later tickets of the key pay for it."""
        finish = max(self._now, self._finish.get(key, 0.0))
        self._finish[key] = max(self._now, finish + difference)

    def clear(self) -> None:
        """Nobody waits: nobody has a claim on the past."""
        self._now = 0.0
        self._finish.clear()
        self._prune_at = _PRUNE_AT

    def _prune(self) -> None:
        """Forgets keys that have no more claim on the future than a new one."""
        self._finish = {key: end for key, end in self._finish.items() if end > self._now}
        self._prune_at = max(_PRUNE_AT, 2 * len(self._finish))
