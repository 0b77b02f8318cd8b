"""A process that wants memory of the arbiter: `memory_user.py ADDRESS NAME BYTES keep|share`.

Writes a line for each moment at which it begins to have the memory (`+`) and for each at which it
has it no more (`-`), in seconds of the machine's monotonic clock. One that shares gives it back
when it is wanted, and asks again at once.
"""

import asyncio
import sys
import time

from services.runtime.arbiter_client import ArbiterClient
from services.runtime.errors import OrfeonError
from services.runtime.residency.memory import Claim, Use
from services.runtime.residency.placement import Footprint, Placement
from services.runtime.urgency import Urgency


class User:
    """Wants one piece of memory over and over."""

    def __init__(self, memory: ArbiterClient, size: int, shares: bool) -> None:
        self._memory = memory
        self._size = size
        self._shares = shares
        self._claims = 0

    def ask(self) -> None:
        """Claims the memory."""
        self._claims += 1
        urgency = Urgency(1, time.monotonic())
        self._memory.claim(Claim(self._claims, "model", Footprint(self._size), urgency))

    def granted(self, claim_id: int, placement: Placement) -> None:
        """See `Claimant`."""
        self._say("+")
        self._memory.report(claim_id, Use(loaded=True, idle_since=time.monotonic()))

    def refused(self, claim_id: int, error: OrfeonError) -> None:
        """See `Claimant`."""
        self._say("refused")

    def wanted(self, lease_id: int, urgency: Urgency | None) -> None:
        """See `Claimant`."""
        if self._shares and urgency is not None and lease_id == self._claims:
            self._say("-")
            self._memory.release(lease_id)
            self.ask()

    def _say(self, word: str) -> None:
        sys.stdout.write(f"{word} {time.monotonic()}\n")
        sys.stdout.flush()


async def main() -> None:
    """Runs until it is killed."""
    address, name, size, mode = sys.argv[1:]
    memory = ArbiterClient(address, name)
    user = User(memory, int(size), shares=mode == "share")
    user.ask()
    await memory.start(user)
    await asyncio.Event().wait()


if __name__ == "__main__":
    asyncio.run(main())
