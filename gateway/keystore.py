"""API keys at rest: who may ask, for what, and how urgently.

A secret is shown once, when its key is made; what is stored is its SHA-256 and its first letters.
A fast hash is right here: a secret is 256 random bits, so there is nothing to guess.
"""

import hashlib
import logging
import secrets
import time
from collections.abc import Callable, Collection
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa
from sqlalchemy.exc import SQLAlchemyError

from gateway.breaker import Breaker
from gateway.database import DatabaseUnusable, open_database
from gateway.keycache import KeyCache
from gateway.migrations import Migrate, prepare
from gateway.tables import API_KEYS
from services.runtime.context import LEVELS
from services.runtime.errors import ServiceUnavailable

log = logging.getLogger(__name__)

SECRET_PREFIX = "sk-orf-"
SHOWN_LETTERS = len(SECRET_PREFIX) + 4

DEFAULT_SCOPES = (
    "chat", "lyrics", "speech", "emotion", "melody", "song", "images", "training", "models",
)  # fmt: skip
#: What a key can be allowed to use. `admin` allows everything.
SCOPES = (*DEFAULT_SCOPES, "admin")


def is_token(secret: str) -> bool:
    """Whether what a client sent has the form of an access token, and not that of an API key."""
    return secret.count(".") == 2 and not secret.startswith(SECRET_PREFIX)


@dataclass(frozen=True, slots=True)
class ApiKey:
    """A key without its secret. Times are Unix seconds.

    `priority_floor` is the most urgent level the key may use: 0 urgent, 1 normal, 2 background.
    The rates are per minute; None means the gateway's default.
    """

    id: str
    name: str
    prefix: str
    priority_floor: int
    scopes: frozenset[str]
    created: float
    expires: float | None = None
    revoked: float | None = None
    requests_per_minute: int | None = None
    tokens_per_minute: int | None = None

    @property
    def is_admin(self) -> bool:
        """Whether the key may do everything."""
        return "admin" in self.scopes

    def allows(self, scope: str) -> bool:
        """Whether the key may use what the scope names."""
        return scope in self.scopes or self.is_admin

    def is_live(self, now: float) -> bool:
        """Whether the key is neither revoked nor expired at `now`, in Unix seconds."""
        return self.revoked is None and (self.expires is None or now < self.expires)


class KeyStore:
    """The keys in one database. Every method blocks and may be called from any thread.

    What `authenticate` finds, or fails to find, is remembered for `cache_seconds`: a revoked key
    works for that much longer in another process, and not at all in the one that revoked it. While
    the database is away, a key that was found is good for `stale_seconds`.

    Raises `DatabaseUnusable` where there is no database, or its schema does not fit. Methods raise
    `sqlalchemy.exc.SQLAlchemyError` when it cannot be reached any more.
    """

    def __init__(
        self,
        database_url: str,
        *,
        migrate: Migrate = "auto",
        connections: int = 5,
        cache_seconds: float = 1.0,
        stale_seconds: float = 900.0,
        cache_size: int = 10_000,
        clock: Callable[[], float] = time.monotonic,
        now: Callable[[], float] = time.time,
    ) -> None:
        self._now = now
        self._cache: KeyCache[ApiKey] = KeyCache(cache_seconds, stale_seconds, cache_size, clock)
        self._breaker = Breaker(clock=clock)
        self.connections = connections
        self.database = open_database(database_url, connections)
        try:
            prepare(self.database, migrate)
        except DatabaseUnusable:
            self.close()
            raise

    @property
    def reachable(self) -> bool:
        """Whether the database answered when it was last asked for a key."""
        return not self._breaker.broken

    def create(
        self,
        name: str,
        priority_floor: int = 0,
        scopes: Collection[str] = DEFAULT_SCOPES,
        expires: float | None = None,
        requests_per_minute: int | None = None,
        tokens_per_minute: int | None = None,
    ) -> tuple[ApiKey, str]:
        """Makes a key and returns it with its secret, which cannot be had again.

        `expires` is in Unix seconds. Raises `ValueError`, with a sentence for people.
        """
        _check(name, priority_floor, scopes, requests_per_minute, tokens_per_minute)
        secret = SECRET_PREFIX + secrets.token_urlsafe(32)
        key = ApiKey(
            id=f"key_{secrets.token_hex(8)}",
            name=name,
            prefix=secret[:SHOWN_LETTERS],
            priority_floor=priority_floor,
            scopes=frozenset(scopes),
            created=self._now(),
            expires=expires,
            requests_per_minute=requests_per_minute,
            tokens_per_minute=tokens_per_minute,
        )
        with self.database.begin() as connection:
            connection.execute(
                sa.insert(API_KEYS).values(
                    id=key.id,
                    name=key.name,
                    prefix=key.prefix,
                    secret_sha256=_digest(secret),
                    priority_floor=key.priority_floor,
                    scopes=" ".join(sorted(key.scopes)),
                    created=key.created,
                    expires=key.expires,
                    requests_per_minute=key.requests_per_minute,
                    tokens_per_minute=key.tokens_per_minute,
                )
            )
        self._cache.drop(_digest(secret))
        return key, secret

    def list(self) -> list[ApiKey]:
        """Every key there ever was, oldest first."""
        with self.database.connect() as connection:
            rows = connection.execute(
                sa.select(API_KEYS).order_by(API_KEYS.c.created, API_KEYS.c.id)
            )
            return [_api_key(row) for row in rows]

    def revoke(self, key_id: str) -> ApiKey:
        """Ends a key for good; ending it twice keeps the first time. Raises `KeyError`."""
        match = API_KEYS.c.id == key_id
        with self.database.begin() as connection:
            connection.execute(
                sa.update(API_KEYS)
                .where(match, API_KEYS.c.revoked.is_(None))
                .values(revoked=self._now())
            )
            row = connection.execute(sa.select(API_KEYS).where(match)).first()
        if row is None:
            raise KeyError(key_id)
        self._cache.put(row.secret_sha256, _api_key(row))
        return _api_key(row)

    def authenticate(self, secret: str) -> ApiKey | None:
        """The live key of a secret; None for one that is wrong, revoked or expired.

        Raises `ServiceUnavailable` while the database is away, unless the key is remembered.
        """
        known, key = self.remembered(secret)
        return key if known else self.look_up(secret)

    def look_up(self, secret: str) -> ApiKey | None:
        """`authenticate` where `remembered` did not know."""
        digest = _digest(secret)
        try:
            with self.database.connect() as connection:
                row = connection.execute(
                    sa.select(API_KEYS).where(API_KEYS.c.secret_sha256 == digest)
                ).first()
        except SQLAlchemyError as error:
            return self.unanswered(secret, type(error).__name__)
        if self._breaker.broken:
            log.info("keys can be looked up again")
            self._breaker.worked()
        found = None if row is None else _api_key(row)
        self._cache.put(digest, found)
        return self._live(found)

    def remembered(self, secret: str) -> tuple[bool, ApiKey | None]:
        """`authenticate` without the database: whether the answer is known yet, and the answer.

        Where it is not, the caller asks `look_up`: while the database is away, one a second.
        Others get what was known last. Raises `ServiceUnavailable` where nothing was.
        """
        known, key = self._cache.get(_digest(secret))
        if not known and not self._breaker.allows():
            return True, self._without_database(secret)
        return known, self._live(key)

    def unanswered(self, secret: str, reason: str) -> ApiKey | None:
        """`authenticate` where the database has not answered. Raises `ServiceUnavailable`."""
        if not self._breaker.broken:
            log.warning("keys cannot be looked up", extra={"reason": reason})
        self._breaker.failed()
        return self._without_database(secret)

    def close(self) -> None:
        """Closes the connections."""
        self.database.dispose()

    def _without_database(self, secret: str) -> ApiKey | None:
        key = self._cache.last_known(_digest(secret))
        if key is None:
            raise ServiceUnavailable(
                "API keys cannot be checked just now; try again shortly.",
                retry_after=self._breaker.seconds,
            )
        return self._live(key)

    def _live(self, key: ApiKey | None) -> ApiKey | None:
        return key if key is not None and key.is_live(self._now()) else None


def _check(
    name: str,
    priority_floor: int,
    scopes: Collection[str],
    requests_per_minute: int | None,
    tokens_per_minute: int | None,
) -> None:
    if not 1 <= len(name) <= 200:
        raise ValueError("The name must be 1 to 200 characters long.")
    if priority_floor not in LEVELS:
        raise ValueError("The priority floor must be 0, 1 or 2.")
    if unknown := set(scopes) - set(SCOPES):
        raise ValueError(f"Unknown scope {min(unknown)!r}; there are {', '.join(SCOPES)}.")
    if not scopes:
        raise ValueError("A key needs at least one scope.")
    for rate in (requests_per_minute, tokens_per_minute):
        if rate is not None and rate < 1:
            raise ValueError("A rate must be at least 1 per minute.")


def _digest(secret: str) -> str:
    return hashlib.sha256(secret.encode("utf-8", "surrogatepass")).hexdigest()


def _api_key(row: sa.Row[Any]) -> ApiKey:
    return ApiKey(
        id=row.id,
        name=row.name,
        prefix=row.prefix,
        priority_floor=row.priority_floor,
        scopes=frozenset(row.scopes.split()),
        created=row.created,
        expires=row.expires,
        revoked=row.revoked,
        requests_per_minute=row.requests_per_minute,
        tokens_per_minute=row.tokens_per_minute,
    )
