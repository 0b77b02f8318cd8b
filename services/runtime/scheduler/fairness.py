"""Start-time fair queueing: what each key has been served, as virtual time.

P. Goyal, H. M. Vin and H. Cheng, "Start-time Fair Queueing: A Scheduling Algorithm for Integrated
Services Packet Switching Networks", SIGCOMM 1996; with one difference, after Y. Sheng and others,
"Fairness in Serving Large Language Models", OSDI 2024: a key is given its tag when a ticket becomes
its first, and keeps its place in virtual time for as long as it waits, even where others, whose
model is in memory, are served meanwhile. While two keys both wait for one model, what they are
served differs by no more than the cost of one ticket of each.
"""

_PRUNE_AT = 1024


class Fairness:
    """The virtual time of one level. Costs are in the capability's own unit."""

    def __init__(self) -> None:
        self._now = 0.0
        self._finish: dict[str, float] = {}
        self._waiting: dict[str, int] = {}
        self._prune_at = _PRUNE_AT

    def arrive(self, key: str) -> None:
        """A ticket begins to wait. A key that did not wait has no claim on the past."""
        waiting = self._waiting.get(key, 0)
        self._waiting[key] = waiting + 1
        if not waiting:
            self._finish[key] = max(self._now, self._finish.get(key, 0.0))
            if len(self._finish) > self._prune_at:
                self._prune()

    def leave(self, key: str) -> None:
        """A ticket waits no longer."""
        self._waiting[key] -= 1
        if not self._waiting[key]:
            del self._waiting[key]

    def start(self, key: str, cost: float) -> float:
        """The tag of a ticket that has become its key's first; the smallest goes first."""
        start = self._finish[key]
        self._finish[key] = start + cost
        return start

    def serve(self, tag: float) -> None:
        """The ticket with this tag has its turn."""
        self._now = max(self._now, tag)

    def refund(self, key: str, cost: float) -> None:
        """A ticket that had its tag left without a turn."""
        self._finish[key] -= cost

    def charge(self, key: str, difference: float) -> None:
        """A turn cost more, or less, than its ticket said: later tickets of the key pay for it."""
        self._finish[key] = self._finish.get(key, self._now) + difference

    def clear(self) -> None:
        """Nobody is busy: nobody has a claim on the past."""
        self._now = 0.0
        self._finish.clear()
        self._prune_at = _PRUNE_AT

    def _prune(self) -> None:
        """Forgets keys that have no more claim on the future than a new one."""
        self._finish = {
            key: end for key, end in self._finish.items() if end > self._now or key in self._waiting
        }
        self._prune_at = max(_PRUNE_AT, 2 * len(self._finish))
