"""What each session may have: tabs of its own, and so much to upload."""

import time
from collections import Counter, OrderedDict, deque
from collections.abc import Callable

_MOST_TABS, _MOST_TABS_EACH = 20_000, 50


class Tabs:
    """Which session each tab of a browser belongs to, by the name that the tab chose for itself.

    Whoever comes first with a name has it: nobody else can read that tab's answers or stop its
    work. Beyond `most`, and beyond `each` of one session, the longest unused is forgotten.
    """

    def __init__(self, most: int = _MOST_TABS, each: int = _MOST_TABS_EACH) -> None:
        self._most = most
        self._each = each
        self._owners: OrderedDict[str, str] = OrderedDict()
        self._counts: Counter[str] = Counter()

    def claim(self, tab: str, session: str) -> bool:
        """Whether the tab is that session's."""
        if (owner := self._owners.get(tab)) is None:
            self._counts[session] += 1
        elif owner != session:
            return False
        self._owners[tab] = session
        self._owners.move_to_end(tab)
        if self._counts[session] > self._each:
            self._forget(next(one for one, owner in self._owners.items() if owner == session))
        if len(self._owners) > self._most:
            self._forget(next(iter(self._owners)))
        return True

    def _forget(self, tab: str) -> None:
        owner = self._owners.pop(tab)
        self._counts[owner] -= 1
        if not self._counts[owner]:
            del self._counts[owner]


class Budgets:
    """How much each session has uploaded in the last minutes: `most` bytes in `seconds`."""

    def __init__(
        self, most: int, seconds: float = 600.0, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._most = most
        self._seconds = seconds
        self._clock = clock
        self._spent: dict[str, deque[tuple[float, int]]] = {}

    def spend(self, session: str, size: int) -> bool:
        """Whether that session may upload so many bytes now; if so they count."""
        oldest = self._clock() - self._seconds
        for one, spent in list(self._spent.items()):
            while spent and spent[0][0] < oldest:
                spent.popleft()
            if not spent:
                del self._spent[one]
        mine = self._spent.setdefault(session, deque())
        if sum(size for _, size in mine) + size > self._most:
            return False
        mine.append((self._clock(), size))
        return True
