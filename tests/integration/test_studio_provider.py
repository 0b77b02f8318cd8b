"""The web app signs people in at a real OpenID provider, and believes it no more than it must."""

import json
import ssl
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import httpx
import pytest
from starlette.responses import JSONResponse, Response

from services.studio.provider import Attempt, Provider
from services.studio.sessions import ProviderFailed, SignedOut
from services.studio.settings import StudioSettings
from tests.fakes.tokens import Signer, part
from tests.integration import oidc_provider
from tests.integration.authority import authority_in

BACK = "http://studio.example/studio/oidc/callback"


class Lying(oidc_provider.Provider):
    """A provider whose identities say what a test wants."""

    def __init__(self, **options: Any) -> None:
        super().__init__(automatic=True, **options)
        self.lies: dict[str, Any] = {}
        self.signer: Signer | None = None
        self.unsigned = False
        self.places: dict[str, Any] = {}

    def _discovery(self, _: Mapping[str, str]) -> Response:
        facts = json.loads(bytes(super()._discovery(_).body))
        return JSONResponse(facts | self.places)

    def _id_token(self, grant: Any) -> str:
        now = int(time.time())
        claims = {
            "iss": self.issuer,
            "sub": grant.sub,
            "aud": grant.client_id,
            "iat": now,
            "exp": now + 60,
            "nonce": grant.nonce,
            "name": "Ada Lovelace",
            **self.lies,
        }
        kept = {name: value for name, value in claims.items() if value is not None}
        if self.unsigned:
            return f"{part({'alg': 'none'})}.{part(kept)}."
        return (self.signer or self.signers[0]).sign(kept, typ="JWT")


@pytest.fixture
def issuing() -> Iterator[Lying]:
    with Lying() as provider:
        yield provider


def client_of(
    issuing: oidc_provider.Provider, wall: Callable[[], float] = time.time, **changes: Any
) -> Provider:
    settings = StudioSettings(oidc_issuer=issuing.issuer, oidc_client_id="studio", **changes)
    return Provider(settings, wall)


async def walked(
    provider: Provider, tls: ssl.SSLContext | bool = True
) -> tuple[Attempt, Mapping[str, str]]:
    """Goes to the provider as a browser does; returns what comes back."""
    attempt = provider.attempt(BACK, "/studio/en/")
    async with httpx.AsyncClient(verify=tls) as browser:
        answer = await browser.get(await provider.address(attempt))
    address = urlsplit(answer.headers["location"])
    return attempt, {name: values[0] for name, values in parse_qs(address.query).items()}


async def test_who_is_let_in_is_called_by_name(issuing: Lying) -> None:
    provider = client_of(issuing)
    attempt, answered = await walked(provider)
    assert answered["state"] == attempt.state
    identity = await provider.enter(attempt, answered)
    assert identity.label == "Ada Lovelace"
    assert (await identity.credential()).count(".") == 2


@pytest.mark.parametrize(
    "lies",
    [
        {"iss": "https://evil.example"},
        {"aud": "another-client"},
        {"nonce": "of another attempt"},
        {"nonce": None},
        {"sub": None},
        {"exp": 1},
        {"exp": None},
    ],
    ids=str,
)
async def test_an_identity_that_is_not_for_us_is_refused(
    issuing: Lying, lies: dict[str, Any]
) -> None:
    issuing.lies = lies
    provider = client_of(issuing)
    attempt, answered = await walked(provider)
    with pytest.raises(ProviderFailed):
        await provider.enter(attempt, answered)


async def test_an_identity_that_somebody_else_signed_is_refused(issuing: Lying) -> None:
    issuing.signer = Signer("RS256", kid=issuing.signers[0].kid)
    provider = client_of(issuing)
    with pytest.raises(ProviderFailed):
        await provider.enter(*await walked(provider))


async def test_an_identity_that_nobody_signed_is_refused(issuing: Lying) -> None:
    issuing.unsigned = True
    provider = client_of(issuing)
    with pytest.raises(ProviderFailed):
        await provider.enter(*await walked(provider))


async def test_keys_that_change_are_known_at_once(issuing: Lying) -> None:
    provider = client_of(issuing)
    await provider.enter(*await walked(provider))
    issuing.rotate()
    await provider.enter(*await walked(provider))


async def test_a_code_is_worth_nothing_to_who_did_not_ask_for_it(issuing: Lying) -> None:
    provider = client_of(issuing)
    _, answered = await walked(provider)
    thief = provider.attempt(BACK, "/studio/en/")
    with pytest.raises(ProviderFailed):
        await provider.enter(thief, answered)


@pytest.mark.parametrize("answered", [{"error": "access_denied"}, {}, {"code": "made up"}])
async def test_who_was_not_let_in_is_not(issuing: Lying, answered: dict[str, str]) -> None:
    provider = client_of(issuing)
    with pytest.raises(ProviderFailed):
        await provider.enter(provider.attempt(BACK, "/"), answered)


async def test_an_answer_of_another_issuer_is_refused(issuing: Lying) -> None:
    provider = client_of(issuing)
    attempt, answered = await walked(provider)
    with pytest.raises(ProviderFailed):
        await provider.enter(attempt, {**answered, "iss": "https://evil.example"})


async def test_a_provider_of_another_name_is_not_believed(issuing: Lying) -> None:
    settings = StudioSettings(oidc_issuer=f"{issuing.issuer}/", oidc_client_id="studio")
    provider = Provider(settings)
    with pytest.raises(ProviderFailed):
        await provider.address(provider.attempt(BACK, "/"))


async def test_a_provider_of_a_private_authority_is_away_until_that_is_trusted(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    authority = authority_in(tmp_path / "authority")
    with Lying(expires_in=10, authority=authority) as issuing:
        stranger = client_of(issuing)
        with pytest.raises(ProviderFailed, match="away"):
            await stranger.address(stranger.attempt(BACK, "/"))
        assert "certificate verify failed" in caplog.records[-1].__dict__["reason"]
        provider = client_of(issuing, oidc_ca_file=str(authority.file))
        identity = await provider.enter(*await walked(provider, authority.trusted()))
        first = await identity.credential()
        # Which ends too soon to be used twice, so that it is renewed.
        assert await identity.credential() != first


async def test_tokens_are_renewed_before_they_end() -> None:
    with Lying(expires_in=10) as issuing:
        provider = client_of(issuing)
        identity = await provider.enter(*await walked(provider))
        first = await identity.credential()
        # Ten seconds are too few to be sure of, so each call has a token of its own.
        assert await identity.credential() != first


async def test_who_may_not_renew_is_signed_out_once_the_token_ends() -> None:
    with Lying(expires_in=10) as issuing:
        now = [time.time()]
        provider = client_of(issuing, lambda: now[0])
        identity = await provider.enter(*await walked(provider))
        issuing.revoke()
        with pytest.raises(SignedOut):
            await identity.credential()


async def test_a_provider_that_is_away_holds_nobody_up_while_the_token_is_good() -> None:
    now = [time.time()]
    with Lying(expires_in=10) as issuing:
        provider = client_of(issuing, lambda: now[0])
        identity = await provider.enter(*await walked(provider))
        before = await identity.credential()
    assert await identity.credential() == before
    now[0] += 60
    with pytest.raises(ProviderFailed):
        await identity.credential()


# Signing out.

SIGN_IN = "http://studio.example/studio/sign-in"


async def test_who_signs_out_is_led_to_the_provider_and_back(issuing: Lying) -> None:
    provider = client_of(issuing)
    identity = await provider.enter(*await walked(provider))
    async with httpx.AsyncClient() as browser:
        answer = await browser.get(identity.way_out(SIGN_IN))
    assert (answer.status_code, answer.headers["location"]) == (302, SIGN_IN)


async def test_what_an_address_to_sign_out_asks_already_is_kept(issuing: Lying) -> None:
    issuing.places = {"end_session_endpoint": "https://login.example.org/out?realm=a%20b"}
    provider = client_of(issuing)
    identity = await provider.enter(*await walked(provider))
    address = urlsplit(identity.way_out(SIGN_IN))
    assert (address.scheme, address.netloc, address.path) == ("https", "login.example.org", "/out")
    asked = parse_qs(address.query)
    assert asked.pop("id_token_hint")[0].count(".") == 2
    assert asked == {
        "realm": ["a b"], "client_id": ["studio"], "post_logout_redirect_uri": [SIGN_IN]
    }  # fmt: skip


@pytest.mark.parametrize(
    "place",
    [
        None,
        "",
        7,
        ["https://a"],
        "http://login.example.org/out",
        "javascript:alert(1)",
        "https://[",
    ],
)
async def test_nobody_is_led_to_an_address_that_cannot_be_trusted(
    issuing: Lying, place: Any
) -> None:
    issuing.places = {"end_session_endpoint": place, "revocation_endpoint": place}
    provider = client_of(issuing)
    identity = await provider.enter(*await walked(provider))
    assert identity.way_out(SIGN_IN) == ""
    # Nor is a token sent there, and nothing fails by it.
    await identity.forget()


async def test_a_refresh_token_is_worth_nothing_once_somebody_signed_out() -> None:
    with Lying(expires_in=10) as issuing:
        now = [time.time()]
        provider = client_of(issuing, lambda: now[0])
        identity = await provider.enter(*await walked(provider))
        await identity.forget()
        now[0] += 60
        with pytest.raises(SignedOut):
            await identity.credential()


async def test_a_provider_that_is_away_does_not_keep_anybody_signed_in(issuing: Lying) -> None:
    provider = client_of(issuing)
    identity = await provider.enter(*await walked(provider))
    issuing.stop()
    assert identity.way_out(SIGN_IN).startswith(f"{issuing.issuer}/logout?")
    await identity.forget()
