"""What the web app can be told."""

import secrets
from typing import Annotated, Self
from urllib.parse import urlsplit

from pydantic import Field, model_validator
from pydantic_settings import BaseSettings, SettingsConfigDict

from services.runtime.authorities import AuthoritiesFile


class StudioSettings(BaseSettings):
    """Settings of the web app.

    Read once, in `python -m services.studio`, from variables named `ORFEON_STUDIO_<FIELD>`.
    """

    model_config = SettingsConfigDict(
        env_prefix="ORFEON_STUDIO_", extra="ignore", frozen=True, hide_input_in_errors=True
    )

    log_level: Annotated[str, Field(validation_alias="ORFEON_LOG_LEVEL")] = "INFO"
    """DEBUG, INFO, WARNING or ERROR."""
    host: str = "0.0.0.0"
    """Address that HTTP listens on."""
    port: Annotated[int, Field(ge=1, le=65535)] = 7860
    """Port that HTTP listens on."""
    gateway_url: str = "http://127.0.0.1:8000"
    """Where the gateway's HTTP is, without the version."""
    metrics_port: Annotated[int, Field(ge=0, le=65535)] = 0
    """Port of the Prometheus endpoint; 0 serves none."""
    metrics_host: str = "0.0.0.0"
    """Address that metrics listen on."""
    public_url: str = ""
    """Where browsers find the web app, such as `https://orfeon.example.org`; empty takes what each
    browser used. With https cookies are sent over TLS alone."""
    session_hours: Annotated[float, Field(gt=0)] = 12
    """How long after signing in one has to do so again."""
    idle_hours: Annotated[float, Field(gt=0)] = 2
    """How long after the last click one has to sign in again."""
    max_sessions: Annotated[int, Field(ge=1)] = 1_000
    """People that may be signed in at once; the one longest idle makes room."""
    max_upload_bytes: Annotated[int, Field(ge=1)] = 100 * 2**20
    """Largest file that may be uploaded; not more than the gateway takes."""
    kept_minutes: Annotated[float, Field(gt=0)] = 30
    """How long speech and images that were made can be downloaded. Recordings are deleted as soon
    as they have been worked on."""
    request_timeout: Annotated[float, Field(gt=0)] = 600
    """Seconds that the gateway may take for an answer."""
    oidc_issuer: str = ""
    """Address of an OpenID Connect provider that people sign in with, beside API keys."""
    oidc_client_id: str = ""
    """What the provider knows the web app by."""
    oidc_client_secret: Annotated[str, Field(repr=False)] = ""
    """Secret of that client; empty for a public client, which PKCE protects alone."""
    oidc_ca_file: AuthoritiesFile = ""
    """File with certificates of authorities, in PEM, that may have signed the provider's own beside
    the public authorities. Read at the start."""
    oidc_scopes: str = "openid profile offline_access"
    """Scopes that are asked for."""
    oidc_audience: str = ""
    """Audience that is asked for, with providers that want to be told."""
    oidc_name: str = ""
    """What the provider is called on the button; empty calls it by its host."""
    drain_seconds: Annotated[int, Field(ge=0)] = 25
    """How long running requests may go on after SIGTERM."""

    @model_validator(mode="after")
    def _a_provider_is_whole(self) -> Self:
        if not self.oidc_issuer:
            if self.oidc_ca_file:
                raise ValueError("oidc_ca_file needs oidc_issuer")
            return self
        if not self.oidc_client_id:
            raise ValueError("oidc_issuer needs oidc_client_id, by which the provider knows us")
        if not is_private(self.oidc_issuer):
            raise ValueError("oidc_issuer begins with https://; without only on this machine")
        return self


def is_private(address: str) -> bool:
    """Whether what is sent to an address can be read by nobody else: by TLS, or on this machine."""
    parts = urlsplit(address)
    here = parts.scheme == "http" and parts.hostname in ("localhost", "127.0.0.1", "::1")
    return here or (parts.scheme == "https" and bool(parts.hostname))


def new_secret() -> str:
    """An unguessable word of 256 bits."""
    return secrets.token_urlsafe(32)
