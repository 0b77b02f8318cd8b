"""What outlives the arbiter's own death: who holds what, in a small file."""

import logging
import os
from collections.abc import Iterable
from pathlib import Path

from pydantic import BaseModel, ConfigDict, TypeAdapter, ValidationError

from services.arbiter.members import Held, Member, Members
from services.runtime.process import Process
from services.runtime.residency.memory import Use
from services.runtime.residency.placement import Placement

log = logging.getLogger(__name__)


class _Lease(BaseModel):
    """Times are left out: after a restart the client says them anew."""

    model_config = ConfigDict(frozen=True)

    id: int
    model: str
    placement: Placement
    loaded: bool
    pinned: bool
    reload_seconds: float


class _Holder(BaseModel):
    model_config = ConfigDict(frozen=True)

    name: str
    process: Process
    leases: tuple[_Lease, ...]


_HOLDERS = TypeAdapter(tuple[_Holder, ...])


class StateFile:
    """The file `state.json` in a folder. It is replaced as a whole, never seen half written."""

    def __init__(self, folder: Path) -> None:
        self._path = folder / "state.json"
        self._written: tuple[_Holder, ...] | None = None

    def restore(self, members: Members, now: float) -> bool:
        """Lets those in who held memory, as orphans. Returns whether there was a file to read."""
        try:
            holders = _HOLDERS.validate_json(self._path.read_bytes())
        except FileNotFoundError:
            return False
        except (OSError, ValidationError):
            log.warning("the state of before cannot be read", extra={"path": self._path})
            return False
        for holder in holders:
            members.restore(
                holder.name, holder.process, [_held(lease, now) for lease in holder.leases]
            )
        return True

    def write(self, members: Iterable[Member]) -> None:
        """Writes who holds what, if that has changed."""
        holders = tuple(_remembered(member) for member in members if member.holder.leases)
        if holders == self._written:
            return
        # Not synced to the disk: after a crash of the machine nobody holds anything.
        fresh = self._path.with_suffix(".new")
        try:
            self._path.parent.mkdir(parents=True, exist_ok=True)
            fresh.write_bytes(_HOLDERS.dump_json(holders))
            os.replace(fresh, self._path)
        except OSError as error:
            log.warning("the state cannot be written", extra={"reason": error.strerror})
            return
        self._written = holders


def _remembered(member: Member) -> _Holder:
    leases = (
        _Lease(
            id=lease.id,
            model=lease.model,
            placement=lease.placement,
            loaded=lease.use.loaded,
            pinned=lease.use.pinned,
            reload_seconds=lease.use.reload_seconds,
        )
        for lease in member.holder.leases.values()
    )
    return _Holder(name=member.holder.name, process=member.process, leases=tuple(leases))


def _held(lease: _Lease, now: float) -> Held:
    use = Use(loaded=lease.loaded, reload_seconds=lease.reload_seconds, pinned=lease.pinned)
    return Held(lease.id, lease.model, lease.placement, use, now)
