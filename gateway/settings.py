"""What the gateway can be told."""

from pathlib import Path
from typing import Annotated, Literal, Self
from urllib.parse import urlsplit

from pydantic import (
    AliasChoices,
    Field,
    FilePath,
    field_validator,
    model_validator,
)
from pydantic_settings import BaseSettings, SettingsConfigDict

from gateway.migrations import Migrate
from gateway.oidcsettings import OidcSettings
from services.runtime.tracing import TracesEndpoint

Capability = Literal["chat", "lyrics", "speech", "emotion", "melody", "song", "images", "training"]


class GatewaySettings(OidcSettings, BaseSettings):
    """Settings of the gateway.

    Read once, in `python -m gateway`, from variables named `ORFEON_GATEWAY_<FIELD>`; a level is
    added by two underscores, as in `ORFEON_GATEWAY_UPSTREAMS__CHAT`.
    """

    model_config = SettingsConfigDict(
        env_prefix="ORFEON_GATEWAY_",
        env_nested_delimiter="__",
        extra="ignore",
        frozen=True,
        populate_by_name=True,
        # URLs hold passwords.
        hide_input_in_errors=True,
    )

    home: Annotated[Path, Field(validation_alias="ORFEON_HOME")] = Path.home() / ".orfeon"
    """Where models and state live; shared by every process of one machine."""
    log_level: Annotated[str, Field(validation_alias="ORFEON_LOG_LEVEL")] = "INFO"
    """DEBUG, INFO, WARNING or ERROR."""
    host: str = "0.0.0.0"
    """Address that HTTP and gRPC listen on."""
    port: Annotated[int, Field(ge=1, le=65535)] = 8000
    """Port that HTTP listens on."""
    grpc_port: Annotated[int, Field(ge=0, le=65535)] = 50051
    """Port that the public gRPC listens on; 0 serves none."""
    grpc_tls_certificate: FilePath | None = None
    """File with the certificates that gRPC shows its clients, in PEM, its own first. Read again for
    each connection. Without, gRPC is not encrypted."""
    grpc_tls_key: FilePath | None = None
    """File with the private key of that certificate, in PEM."""
    upstreams: dict[Capability, str] = {}
    """Where each capability's gRPC listens: `host:port` or `unix:/path`."""
    database_url: Annotated[
        str, Field(validation_alias=AliasChoices("ORFEON_GATEWAY_DATABASE_URL", "DATABASE_URL"))
    ] = ""
    """URL of the database of API keys and usage: `postgresql://user:password@host/name`, or
    `sqlite:///path`; empty means SQLite in `home`."""
    database_connections: Annotated[int, Field(ge=1, le=100)] = 5
    """Connections that this gateway may have to PostgreSQL."""
    migrate: Migrate = "auto"
    """What a start does about PostgreSQL's schema: `auto` brings it up to date, `check` refuses to
    start where it is not. SQLite's is always brought up to date."""
    key_cache_seconds: Annotated[float, Field(ge=0)] = 1
    """How long what is known of a key is not asked again: a revoked one works for that long."""
    key_stale_seconds: Annotated[float, Field(ge=0)] = 900
    """How long a key that was found is good while the database cannot be reached."""
    rate_limit_storage: str = "memory://"
    """Where rates are counted: `memory://`, or `redis://...` to share them among gateways."""
    rate_limit_timeout: Annotated[float, Field(gt=0)] = 0.5
    """Seconds that Redis may take to count a request."""
    rate_limit_fail_open_levels: list[Literal[0, 1, 2]] = [0, 1]
    """Priorities whose requests are served uncounted while Redis is away; others get 503."""
    requests_per_minute: Annotated[int, Field(ge=1)] = 3_000
    """Requests a key may make per minute, unless the key says otherwise."""
    tokens_per_minute: Annotated[int, Field(ge=1)] = 1_000_000
    """Tokens a key may read and generate per minute, unless the key says otherwise."""
    public_url: str = ""
    """Where clients find the gateway, such as `https://orfeon.example.org`, for the addresses of
    images; empty tells each the address that it used, which behind a proxy may be another."""
    max_json_bytes: Annotated[int, Field(ge=1)] = 8 * 2**20
    """Largest body, except of an upload: a picture of 6 MB has room in it. Services take 16 MiB."""
    max_upload_bytes: Annotated[int, Field(ge=1)] = 100 * 2**20
    """Largest body of an upload, all its parts together."""
    max_file_bytes: Annotated[int, Field(ge=1)] = 512 * 2**20
    """Largest body of an upload to /v1/files, which is not held in memory."""
    upload_memory_bytes: Annotated[int, Field(ge=1)] = 256 * 2**20
    """Memory for the uploads of all requests at once, none of which is written to a disk. What
    comes while it is full is refused with 429 before it is read; one upload alone has room."""
    request_timeout: Annotated[float, Field(gt=0)] = 600
    """Seconds from a request's first byte to its answer's last."""
    stream_idle_seconds: Annotated[float, Field(gt=0)] = 60
    """How long a live stream may be open without a sample coming, or what it tells being read."""
    retry_seconds: Annotated[float, Field(ge=0)] = 20
    """How long a request waits for a service that died on it to come back; 0 does not wait."""
    require_keys: bool = True
    """Whether a request needs an API key or an access token. Without, all may do everything."""
    cors_origins: list[str] = []
    """Origins whose pages may call from a browser, such as `https://studio.example.org`, or `*`."""
    traces_endpoint: TracesEndpoint = ""
    """Address of an OpenTelemetry collector that takes OTLP over HTTP; empty makes no traces."""
    drain_seconds: Annotated[int, Field(ge=0)] = 25
    """How long running requests may go on after SIGTERM."""

    @field_validator("grpc_tls_certificate", "grpc_tls_key", mode="before")
    @classmethod
    def _no_empty_path(cls, path: object) -> object:
        return path or None

    @model_validator(mode="after")
    def _both_or_neither(self) -> Self:
        if (self.grpc_tls_certificate is None) != (self.grpc_tls_key is None):
            raise ValueError(
                "grpc_tls_certificate and grpc_tls_key belong together: give both or neither"
            )
        return self

    @model_validator(mode="after")
    def _tokens_or_anybody(self) -> Self:
        if self.oidc_issuer and not self.require_keys:
            raise ValueError(
                "oidc_issuer means nothing where require_keys is false and everybody may do "
                "everything: empty the one or set the other"
            )
        return self

    @field_validator("rate_limit_storage")
    @classmethod
    def _countable(cls, url: str) -> str:
        parts = urlsplit(url)
        kinds = ("memory", "redis", "rediss", "redis+unix", "redis+sentinel", "redis+cluster")
        if parts.scheme not in kinds or "://" not in url:
            raise ValueError("rate_limit_storage is memory:// or redis://host:6379/0")
        # Raises a ValueError of its own for one that is none; of several hosts there is none.
        _ = "," in parts.netloc or parts.port
        return url

    @field_validator("upstreams")
    @classmethod
    def _no_empty_address(cls, upstreams: dict[Capability, str]) -> dict[Capability, str]:
        return {name: address for name, address in upstreams.items() if address}

    @model_validator(mode="before")
    @classmethod
    def _database_in_home(cls, values: dict[str, object]) -> dict[str, object]:
        names = ("database_url", "ORFEON_GATEWAY_DATABASE_URL", "DATABASE_URL")
        if any(values.get(name) for name in names):
            return values
        home = values.get("ORFEON_HOME") or values.get("home") or Path.home() / ".orfeon"
        return {**values, "database_url": f"sqlite:///{home}/orfeon.db"}
