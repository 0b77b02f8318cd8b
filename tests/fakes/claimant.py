"""A claimant that notes what it is told."""

import asyncio
from collections.abc import Callable

from services.runtime.errors import OrfeonError
from services.runtime.residency.memory import Claim
from services.runtime.residency.placement import Footprint, Placement
from services.runtime.urgency import Urgency


def a_claim(number: int, size: int, *, level: int = 1, since: float = 0.0) -> Claim:
    """A claim of `size` bytes in RAM for the model `model-<number>`."""
    return Claim(number, f"model-{number}", Footprint(size), Urgency(level, since))


class NotingClaimant:
    """Everything it was told, in order: `("granted", 1, placement)`, ..."""

    def __init__(self) -> None:
        self.heard: list[tuple[str, int, object]] = []
        self._news = asyncio.Event()

    def granted(self, claim_id: int, placement: Placement) -> None:
        """See `Claimant`."""
        self._note("granted", claim_id, placement)

    def refused(self, claim_id: int, error: OrfeonError) -> None:
        """See `Claimant`."""
        self._note("refused", claim_id, error)

    def wanted(self, lease_id: int, urgency: Urgency | None) -> None:
        """See `Claimant`."""
        self._note("wanted", lease_id, urgency)

    def words(self) -> list[tuple[str, int]]:
        """What it was told of what, without particulars."""
        return [(word, number) for word, number, _ in self.heard]

    async def until(self, condition: Callable[[], bool], seconds: float = 20.0) -> None:
        """Waits until what it was told, or anything else, makes the condition true."""
        async with asyncio.timeout(seconds):
            while not condition():
                self._news.clear()
                try:
                    await asyncio.wait_for(self._news.wait(), 0.02)
                except TimeoutError:
                    continue

    async def hears(self, word: str, number: int, seconds: float = 20.0) -> None:
        """Waits until it has been told so."""
        await self.until(lambda: (word, number) in self.words(), seconds)

    def _note(self, word: str, number: int, what: object) -> None:
        self.heard.append((word, number, what))
        self._news.set()
