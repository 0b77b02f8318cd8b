"""Which processes hold memory, with a session or without: what becomes of those that fall silent.

A process whose session ended is an orphan. Its memory is still taken, unless it is dead: one of
our own pid namespace is looked up, any other is given `lease_ttl` seconds to come back.
"""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass

from services.runtime.process import Process
from services.runtime.residency.ledger import Holder, Ledger
from services.runtime.residency.memory import Claimant, Use
from services.runtime.residency.placement import Placement
from services.runtime.urgency import Urgency

#: Seconds for which an orphan deserves many looks: the kernel may need a moment to reap it. One
#: that lives on is hung, which is not over soon.
FRESH = 1.0


@dataclass(frozen=True, slots=True)
class Held:
    """A lease from before this session. `since` is in seconds of the ledger's clock."""

    id: int
    model: str
    placement: Placement
    use: Use
    since: float


class Orphaned:
    """Stands for a process that cannot be told anything: a `Claimant`."""

    def granted(self, claim_id: int, placement: Placement) -> None:
        """Never called: an orphan has no claims."""

    def refused(self, claim_id: int, error: Exception) -> None:
        """Never called: an orphan has no claims."""

    def wanted(self, lease_id: int, urgency: Urgency | None) -> None:
        """Told again when it comes back."""


_ORPHANED = Orphaned()


@dataclass(eq=False, slots=True)
class Member:
    """One process that is known. `orphaned` is since when it has no session, None with one."""

    process: Process
    holder: Holder
    orphaned: float | None = None


class Members:
    """Everybody in the ledger. `own` is the process that asks, `is_alive` looks another one up."""

    def __init__(
        self,
        ledger: Ledger,
        *,
        lease_ttl: float,
        own: Process,
        is_alive: Callable[[Process], bool],
    ) -> None:
        self._ledger = ledger
        self._lease_ttl = lease_ttl
        self._own = own
        self._is_alive = is_alive
        self._members: dict[tuple[str, Process], Member] = {}

    def __iter__(self) -> Iterator[Member]:
        return iter(self._members.values())

    def attach(
        self, name: str, process: Process, leases: Iterable[Held], claimant: Claimant
    ) -> Member:
        """Lets a process in, or in again; what it says it holds replaces what was remembered.

        All of it at once, so that no byte is free in between.
        """
        member = self._member(name, process)
        holder = member.holder
        holder.claimant, member.orphaned = claimant, None
        with self._ledger.at_once():
            self._withdraw_all(holder)
            kept = set()
            for lease in leases:
                holder.adopt(lease.id, lease.model, lease.placement, lease.use)
                holder.leases[lease.id].since = lease.since
                kept.add(lease.id)
            for lease_id in set(holder.leases) - kept:
                holder.release(lease_id)
        return member

    def restore(self, name: str, process: Process, leases: Iterable[Held]) -> None:
        """Notes an orphan from before our own death."""
        self.detach(self.attach(name, process, leases, _ORPHANED), _ORPHANED)

    def detach(self, member: Member, claimant: Claimant) -> None:
        """A session ended; nothing happens if its process has another one already."""
        if member.holder.claimant is claimant:
            member.holder.claimant = _ORPHANED
            member.orphaned = self._ledger.clock()
            self._withdraw_all(member.holder)

    def sweep(self) -> bool:
        """Forgets those who are gone; returns whether another one may be any moment."""
        now = self._ledger.clock()
        for key, member in list(self._members.items()):
            if member.orphaned is not None and self._is_gone(member, now - member.orphaned):
                del self._members[key]
                self._ledger.leave(member.holder)
        return any(
            member.orphaned is not None and now - member.orphaned < FRESH
            for member in self._members.values()
        )

    def _member(self, name: str, process: Process) -> Member:
        key = (name, process)
        if key not in self._members:
            self._members[key] = Member(process, self._ledger.join(name, _ORPHANED))
        return self._members[key]

    def _is_gone(self, member: Member, silent: float) -> bool:
        if not member.holder.leases:
            return True  # Nothing to keep for it; it is let in again like anybody.
        if member.process.namespace and member.process.namespace == self._own.namespace:
            return not self._is_alive(member.process)
        return silent >= self._lease_ttl

    def _withdraw_all(self, holder: Holder) -> None:
        # One by one, each would make room for the next, which nobody listens for any more.
        with self._ledger.at_once():
            for claim_id in list(holder.claims):
                holder.withdraw(claim_id)
