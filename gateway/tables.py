"""The gateway's tables, as its queries see them. `migrations/` makes them."""

import sqlalchemy as sa

METADATA = sa.MetaData()

#: Times are Unix seconds.
API_KEYS = sa.Table(
    "api_keys",
    METADATA,
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

#: A row for each day (UTC, as `2030-01-31`), key and capability.
USAGE = sa.Table(
    "usage",
    METADATA,
    sa.Column("day", sa.String(10), primary_key=True),
    sa.Column("key_id", sa.String(32), primary_key=True),
    sa.Column("capability", sa.String(32), primary_key=True),
    sa.Column("requests", sa.BigInteger, nullable=False),
    sa.Column("tokens", sa.BigInteger, nullable=False),
    sa.Column("audio_seconds", sa.Float, nullable=False),
    sa.Index("usage_of_keys", "key_id", "day"),
)
