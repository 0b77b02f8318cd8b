"""Access tokens of an OpenID provider: whether one is good, and whom it stands for."""

import hashlib
import json
import time
from collections import OrderedDict
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from joserfc import jws
from joserfc.errors import ClaimError, ExpiredTokenError, JoseError, MissingClaimError
from joserfc.jwt import JWTClaimsRegistry

from gateway.jwks import ProviderKeys
from gateway.keystore import SCOPES, ApiKey
from gateway.oidcsettings import OidcSettings
from services.runtime.context import LEVELS
from services.runtime.errors import InvalidApiKey

#: Largest token, in characters; those of real providers have 1 to 6 KiB.
MOST_CHARACTERS = 16 * 2**10

#: How long a token that was good is not verified again, and how many such tokens are remembered.
REMEMBERED_SECONDS = 30.0
_REMEMBERED = 10_000

#: Of RFC 9068, and what providers from before it write.
_TYPES = ("at+jwt", "jwt")
#: What every token has.
_NEEDED = ("iss", "aud", "exp", "sub")
_SCOPE_PREFIX = "orfeon:"

_UNREADABLE = "This access token cannot be read: it must be a signed JWT of at most 16 KiB."
_WRONG = {
    "iss": "This access token comes from another issuer than the one that is trusted here.",
    "aud": "This access token is for another audience, and not for this gateway.",
    "nbf": "This access token is not valid yet.",
    "iat": "This access token says that it was issued in the future.",
    "sub": "This access token names nobody: its claim 'sub' must be a text.",
    "exp": "This access token does not say when it expires: its claim 'exp' must be a number.",
}


class _Signatures(jws.JWSRegistry):
    """The algorithms that may have signed, all others being unknown."""

    max_header_length = MOST_CHARACTERS
    max_payload_length = MOST_CHARACTERS

    def get_alg(self, name: str) -> Any:
        """The algorithm of a name. Raises `InvalidApiKey`."""
        if name not in (self.allowed or ()):
            raise InvalidApiKey(
                "This access token is not signed by an algorithm that is accepted here: "
                f"{', '.join(self.allowed or ())}."
            )
        return self.algorithms[name]


class Tokens:
    """Tells whom tokens stand for. `clock` is in Unix seconds."""

    def __init__(
        self, settings: OidcSettings, keys: ProviderKeys, clock: Callable[[], float] = time.time
    ) -> None:
        self._settings = settings
        self._keys = keys
        self._clock = clock
        # What else a header says is ignored, as RFC 7515 has it: keys and addresses of keys too.
        self._signatures = _Signatures(
            algorithms=settings.oidc_algorithms, strict_check_header=False
        )
        self._claims = JWTClaimsRegistry(
            now=lambda: int(clock()),
            leeway=settings.oidc_leeway_seconds,
            iss={"essential": True, "value": settings.oidc_issuer},
            aud={"essential": True, "value": settings.oidc_audience},
            exp={"essential": True},
            sub={"essential": True},
        )
        self._good: OrderedDict[bytes, tuple[float, int, ApiKey]] = OrderedDict()

    async def start(self) -> None:
        """Asks the provider for its keys from now on."""
        await self._keys.start()

    async def stop(self) -> None:
        """Asks no more."""
        await self._keys.stop()

    async def authenticate(self, token: str) -> ApiKey:
        """Whom a token stands for.

        Raises `InvalidApiKey`, which says what is wrong, and `ServiceUnavailable` where the
        provider's keys are not known.
        """
        digest = hashlib.sha256(token.encode("utf-8", "surrogatepass")).digest()
        if (remembered := self._remembered(digest)) is not None:
            return remembered
        claims = await self._verified(token)
        self._check(claims)
        key = _principal(claims, self._settings)
        until = min(
            self._clock() + REMEMBERED_SECONDS, claims["exp"] + self._settings.oidc_leeway_seconds
        )
        self._good[digest] = (until, self._keys.version, key)
        if len(self._good) > _REMEMBERED:
            self._good.popitem(last=False)
        return key

    def _remembered(self, digest: bytes) -> ApiKey | None:
        if (entry := self._good.get(digest)) is None:
            return None
        until, version, key = entry
        if self._clock() < until and version == self._keys.version and self._keys.current:
            return key
        del self._good[digest]
        return None

    async def _verified(self, token: str) -> dict[str, Any]:
        """The claims of a token whose signature is right."""
        if len(token) > MOST_CHARACTERS:
            raise InvalidApiKey(_UNREADABLE)
        try:
            signed = jws.extract_compact(token.encode("ascii"), registry=self._signatures)
            header = signed.headers()
            _check_header(header)
            self._signatures.check_header(header)
            self._signatures.get_alg(header["alg"])
            claims = json.loads(signed.payload)
        except (JoseError, ValueError, TypeError, AttributeError, RecursionError):
            raise InvalidApiKey(_UNREADABLE) from None
        if not isinstance(claims, dict):
            raise InvalidApiKey(_UNREADABLE)
        key = await self._keys.find(header.get("kid"))
        try:
            right = jws.validate_compact(signed, key, registry=self._signatures)
        except (JoseError, ValueError, TypeError):
            raise InvalidApiKey(
                "The algorithm of this access token does not fit the key that it names."
            ) from None
        if not right:
            raise InvalidApiKey("The signature of this access token is wrong.")
        return claims

    def _check(self, claims: dict[str, Any]) -> None:
        try:
            self._claims.validate(claims)
        except ExpiredTokenError:
            raise InvalidApiKey("This access token has expired.") from None
        except MissingClaimError:
            missing = next(name for name in _NEEDED if claims.get(name) is None)
            raise InvalidApiKey(f"This access token lacks the claim {missing!r}.") from None
        except ClaimError as error:
            raise InvalidApiKey(_WRONG.get(error.claim, _UNREADABLE)) from None


def _check_header(header: Mapping[str, Any]) -> None:
    if "crit" in header or "b64" in header:
        raise InvalidApiKey("This access token needs an extension (crit), and none is known here.")
    kind = str(header.get("typ", "jwt")).lower().removeprefix("application/")
    if kind not in _TYPES:
        raise InvalidApiKey("This is no access token: its type must be at+jwt or JWT.")


def _principal(claims: Mapping[str, Any], settings: OidcSettings) -> ApiKey:
    """Who a token's bearer is: the same for all tokens of one person, and nothing that names it."""
    whole = json.dumps([claims["iss"], claims["sub"]]).encode()
    found = _at(claims, settings.oidc_priority_claim)
    level = int(found) if str(found) in map(str, LEVELS) else settings.oidc_priority_floor
    return ApiKey(
        # As long as ids of keys may be in the table of usage.
        id=f"sub_{hashlib.sha256(whole).hexdigest()[:28]}",
        name="",
        prefix="",
        priority_floor=level,
        scopes=frozenset(_scopes(claims, settings)),
        created=0.0,
        expires=claims["exp"],
        requests_per_minute=settings.oidc_requests_per_minute,
        tokens_per_minute=settings.oidc_tokens_per_minute,
    )


def _scopes(claims: Mapping[str, Any], settings: OidcSettings) -> Iterator[str]:
    yield from settings.oidc_default_scopes
    found = _at(claims, settings.oidc_scopes_claim)
    values = found.split() if isinstance(found, str) else found if isinstance(found, list) else []
    for value in filter(lambda each: isinstance(each, str), values):
        yield from settings.oidc_scopes.get(value, ())
        scope = value.removeprefix(_SCOPE_PREFIX)
        if scope != value and scope in SCOPES:
            yield scope


def _at(claims: Mapping[str, Any], path: str) -> Any:
    """The claim at a path. Names with dots in them, such as addresses, are taken whole."""
    if path in claims:
        return claims[path]
    found: Any = claims
    for name in path.split("."):
        found = found.get(name) if isinstance(found, dict) else None
    return found
