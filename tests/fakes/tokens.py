"""Keys that sign tokens, as an OpenID provider has them, and tokens of any kind."""

import base64
import itertools
import json
from collections.abc import Callable, Mapping
from typing import Any

from joserfc import jws
from joserfc.jwk import ECKey, KeySet, OKPKey, RSAKey

_NAMES = itertools.count(1)

_MADE: Mapping[str, Callable[[str], RSAKey | ECKey | OKPKey]] = {
    "RS256": lambda kid: RSAKey.generate_key(2048, {"kid": kid}),
    "PS256": lambda kid: RSAKey.generate_key(2048, {"kid": kid}),
    "ES256": lambda kid: ECKey.generate_key("P-256", {"kid": kid}),
    "EdDSA": lambda kid: OKPKey.generate_key("Ed25519", {"kid": kid}),
}


class Signer:
    """One key, of a name that no other has unless it is given one, for one algorithm."""

    def __init__(self, algorithm: str = "ES256", kid: str | None = None) -> None:
        self.algorithm = algorithm
        self.kid = kid or f"key-{next(_NAMES)}"
        self.key = _MADE[algorithm](self.kid)

    def public(self, **more: str) -> dict[str, Any]:
        """The key as providers publish it."""
        return {**self.key.as_dict(private=False), "use": "sig", "alg": self.algorithm, **more}

    def sign(self, claims: object, **header: Any) -> str:
        """A token; the header's fields may be replaced, or left out where they are None."""
        fields = {"alg": self.algorithm, "kid": self.kid, "typ": "at+jwt", **header}
        kept = {name: value for name, value in fields.items() if value is not None}
        head = part(kept)
        body = part(claims)
        algorithm = jws.JWSRegistry.algorithms[self.algorithm]
        return f"{head}.{body}.{encoded(algorithm.sign(f'{head}.{body}'.encode(), self.key))}"


def jwks(*signers: Signer) -> dict[str, Any]:
    """The set of keys that a provider publishes."""
    return {"keys": [signer.public() for signer in signers]}


def key_set(*signers: Signer) -> KeySet:
    """The same, as the library has it."""
    return KeySet([signer.key for signer in signers])


def part(value: object) -> str:
    """One part of a token."""
    return encoded(json.dumps(value).encode())


def encoded(data: bytes) -> str:
    """Bytes as tokens have them."""
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()
