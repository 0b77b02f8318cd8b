"""API keys at rest: who may ask, for what, and how urgently.

A secret is shown once, when its key is made; what is stored is its SHA-256 and its first letters.
A fast hash is right here: a secret is 256 random bits, so there is nothing to guess.
"""

import hashlib
import secrets
import threading
import time
from collections import OrderedDict
from collections.abc import Callable, Collection
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import make_url
from sqlalchemy.schema import CreateTable

from services.runtime.context import LEVELS

SECRET_PREFIX = "sk-orf-"
SHOWN_LETTERS = len(SECRET_PREFIX) + 4

DEFAULT_SCOPES = (
    "chat", "lyrics", "speech", "emotion", "melody", "song", "images", "training", "models",
)  # fmt: skip
#: What a key can be allowed to use. `admin` allows everything.
SCOPES = (*DEFAULT_SCOPES, "admin")

_keys = sa.Table(
    "api_keys",
    sa.MetaData(),
    sa.Column("id", sa.String(32), primary_key=True),
    sa.Column("name", sa.String(200), nullable=False),
    sa.Column("prefix", sa.String(32), nullable=False),
    sa.Column("secret_sha256", sa.String(64), nullable=False, unique=True),
    sa.Column("priority_floor", sa.Integer, nullable=False),
    sa.Column("scopes", sa.String(200), nullable=False),
    sa.Column("created", sa.Float, nullable=False),
    sa.Column("expires", sa.Float),
    sa.Column("revoked", sa.Float),
    sa.Column("requests_per_minute", sa.Integer),
    sa.Column("tokens_per_minute", sa.Integer),
)


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
    works for that much longer in another process, and not at all in the one that revoked it.
    Raises `sqlalchemy.exc.SQLAlchemyError` when the database cannot be reached.
    """

    def __init__(
        self,
        database_url: str,
        *,
        cache_seconds: float = 1.0,
        cache_size: int = 10_000,
        clock: Callable[[], float] = time.monotonic,
        now: Callable[[], float] = time.time,
    ) -> None:
        self._clock = clock
        self._now = now
        self._cache_seconds = cache_seconds
        self._cache_size = cache_size
        self._cache: OrderedDict[str, tuple[float, ApiKey | None]] = OrderedDict()
        self._lock = threading.Lock()
        self._engine = _engine(database_url)
        with self._engine.begin() as connection:
            # Two processes may start at once; a check before the statement would race.
            connection.execute(CreateTable(_keys, if_not_exists=True))

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
        with self._engine.begin() as connection:
            connection.execute(
                sa.insert(_keys).values(
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
        self._forget()
        return key, secret

    def list(self) -> list[ApiKey]:
        """Every key there ever was, oldest first."""
        with self._engine.connect() as connection:
            rows = connection.execute(sa.select(_keys).order_by(_keys.c.created, _keys.c.id))
            return [_api_key(row) for row in rows]

    def revoke(self, key_id: str) -> ApiKey:
        """Ends a key for good; ending it twice keeps the first time. Raises `KeyError`."""
        match = _keys.c.id == key_id
        with self._engine.begin() as connection:
            connection.execute(
                sa.update(_keys).where(match, _keys.c.revoked.is_(None)).values(revoked=self._now())
            )
            row = connection.execute(sa.select(_keys).where(match)).first()
        self._forget()
        if row is None:
            raise KeyError(key_id)
        return _api_key(row)

    def authenticate(self, secret: str) -> ApiKey | None:
        """The live key of a secret; None for one that is wrong, revoked or expired."""
        known, key = self.remembered(secret)
        if known:
            return key
        digest = _digest(secret)
        with self._engine.connect() as connection:
            row = connection.execute(
                sa.select(_keys).where(_keys.c.secret_sha256 == digest)
            ).first()
        found = None if row is None else _api_key(row)
        with self._lock:
            self._cache[digest] = (self._clock() + self._cache_seconds, found)
            self._cache.move_to_end(digest)
            while len(self._cache) > self._cache_size:
                self._cache.popitem(last=False)
        return self._live(found)

    def remembered(self, secret: str) -> tuple[bool, ApiKey | None]:
        """`authenticate` without the database: whether the answer is known yet, and the answer."""
        entry = self._cache.get(_digest(secret))
        if entry is None or self._clock() >= entry[0]:
            return False, None
        return True, self._live(entry[1])

    def close(self) -> None:
        """Closes the connections."""
        self._engine.dispose()

    def _live(self, key: ApiKey | None) -> ApiKey | None:
        return key if key is not None and key.is_live(self._now()) else None

    def _forget(self) -> None:
        with self._lock:
            self._cache.clear()


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


def _engine(database_url: str) -> sa.Engine:
    url = make_url(database_url)
    if url.get_backend_name() != "sqlite":
        return sa.create_engine(url, pool_pre_ping=True)
    if url.database and url.database != ":memory:":
        Path(url.database).parent.mkdir(parents=True, exist_ok=True)
    engine = sa.create_engine(url, connect_args={"timeout": 5})

    @sa.event.listens_for(engine, "connect")
    def _readers_beside_a_writer(connection: Any, _record: object) -> None:
        # The gateway reads while the command line writes.
        connection.execute("PRAGMA journal_mode=WAL")

    return engine


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
