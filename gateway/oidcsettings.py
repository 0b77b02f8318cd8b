"""What the gateway can be told of an OpenID provider whose access tokens it takes."""

import ipaddress
from typing import Annotated, Literal, Self
from urllib.parse import urlsplit

from pydantic import BaseModel, Field, field_validator, model_validator

from gateway.keystore import SCOPES
from services.runtime.authorities import AuthoritiesFile

#: Signatures by public keys. There is neither `none` nor HS256, whose secret would be the public
#: key to an attacker.
Algorithm = Literal[
    "RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512",
    "EdDSA", "Ed25519",
]  # fmt: skip


class OidcSettings(BaseModel):
    """The part of the gateway's settings whose names begin with `oidc_`."""

    oidc_issuer: str = ""
    """Name of the provider, as its tokens have it: `https://login.example.org/realms/music`. Empty
    takes no tokens."""
    oidc_audience: str = ""
    """What stands for this gateway in the claim `aud` of tokens."""
    oidc_jwks_url: str = ""
    """Where the provider publishes its keys; empty asks `/.well-known/openid-configuration`."""
    oidc_algorithms: Annotated[list[Algorithm], Field(min_length=1)] = [
        "RS256",
        "ES256",
        "PS256",
        "EdDSA",
    ]
    """Algorithms by which tokens may be signed."""
    oidc_leeway_seconds: Annotated[int, Field(ge=0, le=300)] = 60
    """By how much the clocks of provider and gateway may differ."""
    oidc_scopes_claim: Annotated[str, Field(min_length=1)] = "scope"
    """Claim that says what a token may be used for, words in a text or a list; dots lead into
    objects, as in `realm_access.roles`. Of `orfeon:chat` the scope is `chat`."""
    oidc_scopes: dict[str, list[str]] = {}
    """Scopes of other values of that claim, such as `{"musicians": ["song", "melody"]}`."""
    oidc_default_scopes: list[str] = []
    """Scopes that every good token has, whatever it says."""
    oidc_priority_floor: Annotated[int, Field(ge=0, le=2)] = 1
    """The most urgent level that a token may use."""
    oidc_priority_claim: str = ""
    """Claim that goes before that floor where it is 0, 1 or 2; dots lead into objects."""
    oidc_requests_per_minute: Annotated[int, Field(ge=1)] | None = None
    """Requests a person may make per minute; without, as many as a key."""
    oidc_tokens_per_minute: Annotated[int, Field(ge=1)] | None = None
    """Tokens of models a person may use per minute; without, as many as a key."""
    oidc_refresh_seconds: Annotated[float, Field(ge=1)] = 300
    """How often the provider is asked for its keys: one that it withdraws is good for that long."""
    oidc_stale_seconds: Annotated[float, Field(ge=1)] = 3600
    """How long the last keys are good while the provider is away; then tokens get 503."""
    oidc_ca_file: AuthoritiesFile = ""
    """File with certificates of authorities, in PEM, that may have signed the provider's own beside
    the public authorities. Read at the start."""
    oidc_allow_http: bool = False
    """Whether the provider may be asked without TLS where it is not on this machine."""

    @field_validator("oidc_scopes", "oidc_default_scopes")
    @classmethod
    def _known(cls, scopes: dict[str, list[str]] | list[str]) -> dict[str, list[str]] | list[str]:
        lists = scopes.values() if isinstance(scopes, dict) else (scopes,)
        if unknown := {scope for each in lists for scope in each} - set(SCOPES):
            raise ValueError(f"unknown scope {min(unknown)!r}; there are {', '.join(SCOPES)}")
        return scopes

    @model_validator(mode="after")
    def _whole(self) -> Self:
        if not self.oidc_issuer:
            if self.oidc_audience or self.oidc_jwks_url or self.oidc_ca_file:
                raise ValueError("oidc_audience, oidc_jwks_url and oidc_ca_file need oidc_issuer")
            return self
        if not self.oidc_audience:
            raise ValueError(
                "oidc_issuer needs oidc_audience: without, a token that the provider made for any "
                "other program would be good here"
            )
        for url in filter(None, (self.oidc_issuer, self.oidc_jwks_url)):
            if not trusted(url, self.oidc_allow_http):
                raise ValueError(
                    "oidc_issuer and oidc_jwks_url begin with https://, unless they are on this "
                    "machine or oidc_allow_http is set"
                )
        if urlsplit(self.oidc_issuer).query:
            raise ValueError("oidc_issuer is an address without a query")
        if self.oidc_stale_seconds < self.oidc_refresh_seconds:
            raise ValueError("oidc_stale_seconds must not be less than oidc_refresh_seconds")
        return self


def trusted(url: str, allow_http: bool) -> bool:
    """Whether who answers at an address is who it names: by TLS, or because it is this machine."""
    try:
        parts = urlsplit(url)
        host = parts.hostname
    except ValueError:
        return False
    if not host:
        return False
    return parts.scheme == "https" or (parts.scheme == "http" and (allow_http or _loopback(host)))


def _loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
