"""An OpenID provider without a socket, for what asks it for keys, and a clock."""

import json
from typing import Any

from gateway.fetch import Unfetched
from gateway.jwks import ProviderKeys
from gateway.oidcsettings import OidcSettings
from gateway.tokens import Tokens
from tests.fakes.tokens import Signer, jwks

ISSUER = "https://login.example.org/realms/music"
AUDIENCE = "orfeon"
NOW = 1_700_000_000.0


class FakeProvider:
    """Answers as a provider does, and counts how often; what it publishes may be replaced."""

    def __init__(self, *signers: Signer) -> None:
        self.signers = signers or (Signer(),)
        self.away = False
        self.now = NOW
        self.asked: list[str] = []
        self.replaced: dict[str, bytes] = {}

    async def get(self, url: str) -> bytes:
        """What lies there. Raises `Unfetched`."""
        self.asked.append(url)
        if self.away:
            raise Unfetched("away")
        if url in self.replaced:
            return self.replaced[url]
        documents: dict[str, Any] = {
            f"{ISSUER}/.well-known/openid-configuration": {
                "issuer": ISSUER,
                "jwks_uri": f"{ISSUER}/keys",
            },
            f"{ISSUER}/keys": jwks(*self.signers),
        }
        return json.dumps(documents[url]).encode()

    async def close(self) -> None:
        """There is nothing to close."""

    def keys(self, **settings: Any) -> ProviderKeys:
        """Its keys, at the clock of this provider."""
        return ProviderKeys(settings_of(**settings), self, lambda: self.now)

    def tokens(self, **settings: Any) -> Tokens:
        """Its tokens, at the clock of this provider."""
        return Tokens(settings_of(**settings), self.keys(**settings), lambda: self.now)

    def claims(self, **more: Any) -> dict[str, Any]:
        """Those of a good token; they may be replaced, or left out where they are None."""
        claims = {
            "iss": ISSUER,
            "aud": AUDIENCE,
            "sub": "ada",
            "iat": self.now,
            "exp": self.now + 300,
            "scope": "openid orfeon:chat",
            **more,
        }
        return {name: value for name, value in claims.items() if value is not None}

    def token(self, **claims: Any) -> str:
        """A token that is signed by its first key."""
        return self.signers[0].sign(self.claims(**claims))


def settings_of(**more: Any) -> OidcSettings:
    """Settings that trust this provider."""
    fields = {"issuer": ISSUER, "audience": AUDIENCE, **more}
    return OidcSettings.model_validate({f"oidc_{name}": value for name, value in fields.items()})
