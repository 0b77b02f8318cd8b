"""Who is signed in. Held in memory: whoever restarts the web app has people sign in again."""

import asyncio
import time
from collections import OrderedDict
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Protocol

from services.studio.settings import new_secret

#: The cookie that holds nothing but a session's id.
COOKIE = "orfeon_session"
#: Sessions that one person may have, so that nobody can push all others out.
_MOST_EACH = 50


class Identity(Protocol):
    """Somebody whom a provider of identities let in, and may not remember when they leave."""

    def way_out(self, back: str) -> str:
        """Where the provider signs them out and leads them to the address `back`; empty where it
        does not.
        """

    async def forget(self) -> None:
        """Has the provider take back what it gave, as well as that goes."""


@dataclass(slots=True)
class Session:
    """Somebody who is signed in: by an API key, or by a token that is renewed.

    `label` is what the page calls them, as it may others, and `owner` tells who they are.
    `expires` and `used` are of the sessions' clock. `renew` returns a credential that is good now;
    it raises `SignedOut` where there is none any more. `identity` is of those whom a provider let
    in.
    Who is `dismissed` gets no page and has no work done any more, but may hear the last words of
    the pages that are open.
    """

    id: str
    label: str
    owner: str
    renew: Callable[[], Awaitable[str]]
    expires: float
    used: float = field(default=0.0)
    identity: Identity | None = field(default=None)
    dismissed: bool = field(default=False)
    _work: set[asyncio.Timeout] = field(default_factory=set)

    @asynccontextmanager
    async def working(self) -> AsyncIterator[None]:
        """Does what is in the block for as long as somebody is signed in.

        Raises `SignedOut` in the midst of it as soon as they are not, and at once if they are not.
        """
        if self.dismissed:
            raise SignedOut
        try:
            async with asyncio.timeout(None) as limit:
                self._work.add(limit)
                try:
                    yield
                finally:
                    self._work.discard(limit)
        except TimeoutError:
            if limit.expired():
                raise SignedOut from None
            raise

    def end(self) -> None:
        """Dismisses whoever it is of, and ends what is done for them."""
        self.dismissed = True
        while self._work:
            self._work.pop().reschedule(0)


class SignedOut(Exception):
    """There is no session, or what it was opened with is good no longer."""


class ProviderFailed(Exception):
    """The provider of identities let nobody in, is away, or said what may not be believed."""


class Sessions:
    """All sessions of this process.

    `lifetime` and `idle` are in seconds; beyond `most` the one longest idle goes.
    """

    def __init__(
        self,
        lifetime: float,
        idle: float,
        most: int,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._lifetime = lifetime
        self._idle = idle
        self._most = most
        self._clock = clock
        self._sessions: OrderedDict[str, Session] = OrderedDict()

    def open(
        self,
        label: str,
        renew: Callable[[], Awaitable[str]],
        owner: str,
        identity: Identity | None = None,
    ) -> Session:
        """Lets somebody in, under an id that was never used before.

        Of too many sessions of one `owner` the one longest idle goes.
        """
        now = self._clock()
        session = Session(new_secret(), label, owner, renew, now + self._lifetime, now, identity)
        self._sessions[session.id] = session
        own = [each.id for each in self._sessions.values() if each.owner == owner]
        for id in own[:-_MOST_EACH]:
            self.close(id)
        while len(self._sessions) > self._most:
            self.close(next(iter(self._sessions)))
        return session

    def get(self, id: str | None, *, used: bool = True) -> Session | None:
        """The session of this id; None where it has ended. `used` says whether it is used now."""
        session = self._sessions.get(id or "")
        if session is None:
            return None
        now = self._clock()
        if self._ended(session, now):
            self.close(session.id)
            return None
        if used:
            session.used = now
            self._sessions.move_to_end(session.id)
        return session

    def dismiss(self, id: str) -> None:
        """Sends no page to a session any more, if there is one, and ends its work."""
        if session := self._sessions.get(id):
            session.end()

    def close(self, id: str) -> None:
        """Ends a session and its work, if there is one."""
        if session := self._sessions.pop(id, None):
            session.end()

    def sweep(self) -> None:
        """Closes those whose time is over, which nobody else may notice."""
        now = self._clock()
        for session in list(self._sessions.values()):
            if self._ended(session, now):
                self.close(session.id)

    def alive(self) -> int:
        """How many have not ended. One that nobody uses any more ends unseen."""
        now = self._clock()
        return sum(not self._ended(session, now) for session in self._sessions.values())

    def _ended(self, session: Session, now: float) -> bool:
        return now >= session.expires or now - session.used > self._idle

    def __len__(self) -> int:
        return len(self._sessions)
