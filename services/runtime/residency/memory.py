"""Who asks for memory and who gives it: the protocol between models and a budget.

`Memory` is given by the ledger in the same process or by the arbiter of the node; `Claimant` is
the residency. One claim asks for one model; once granted, it is a lease under the same id.
"""

from dataclasses import dataclass
from typing import Protocol

from services.runtime.errors import OrfeonError
from services.runtime.residency.placement import Footprint, Placement
from services.runtime.urgency import Urgency


@dataclass(frozen=True, slots=True)
class Claim:
    """A wish for memory. With `evict` false it takes what is free now and no more."""

    id: int
    model: str
    footprint: Footprint
    urgency: Urgency
    evict: bool = True


@dataclass(frozen=True, slots=True)
class Use:
    """What its holder says of a lease: what decides which goes first. Times in seconds.

    `loaded` is whether the memory is really taken already; `idle_since` is None while in use.
    """

    loaded: bool = False
    idle_since: float | None = None
    reload_seconds: float = 0.0
    pinned: bool = False


class Memory(Protocol):
    """Gives memory. Answers come through the `Claimant`, perhaps before a call returns."""

    def claim(self, claim: Claim) -> None:
        """Asks for memory. Ends with `granted`, `refused` or `withdraw`."""

    def update(self, claim_id: int, urgency: Urgency) -> None:
        """Says that a claim has become more or less urgent."""

    def withdraw(self, claim_id: int) -> None:
        """Takes a claim back, if it has not been granted yet."""

    def report(self, lease_id: int, use: Use) -> None:
        """Says how a lease is used."""

    def release(self, lease_id: int) -> None:
        """Gives the memory of a lease back. Called once it is really free."""


class Claimant(Protocol):
    """Asks for memory, and gives it back when others want it."""

    def granted(self, claim_id: int, placement: Placement) -> None:
        """The memory is the claimant's, until it releases it."""

    def refused(self, claim_id: int, error: OrfeonError) -> None:
        """The claim cannot be granted."""

    def wanted(self, lease_id: int, urgency: Urgency | None) -> None:
        """Someone else waits for this memory, this urgently; None: nobody any more."""
