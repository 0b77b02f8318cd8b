"""Somebody of a provider, whose token is renewed."""

import asyncio
import logging
import ssl
from collections.abc import Mapping
from typing import Any

import pytest

from services.studio import provider as module
from services.studio.provider import Identity, Provider
from services.studio.sessions import ProviderFailed, SignedOut
from services.studio.settings import StudioSettings

SETTINGS = StudioSettings(oidc_issuer="https://login.invalid", oidc_client_id="studio")


class Rotating(Provider):
    """Takes each refresh token once, and takes its time."""

    def __init__(self) -> None:
        super().__init__(SETTINGS, wall=lambda: self.time)
        self.time = 0.0
        self.renewals = 0
        self.revoked: list[str] = []

    async def renewed(self, refresh: str) -> Mapping[str, Any]:
        if refresh != f"r{self.renewals}":
            raise SignedOut
        self.renewals += 1
        await asyncio.sleep(0.01)
        return token(self.renewals)

    async def revoke(self, refresh: str) -> None:
        self.revoked.append(refresh)


def token(at: int) -> Mapping[str, Any]:
    return {"access_token": f"a{at}", "refresh_token": f"r{at}", "expires_in": 300}


async def left(provider: Rotating) -> tuple[Identity, "asyncio.Task[str]"]:
    """Somebody who has just left while their token is renewed, and their last question."""
    identity = Identity(provider, "1", "Ada", token(0))
    provider.time = 300.0
    leaving = asyncio.create_task(identity.credential())
    await asyncio.sleep(0)
    leaving.cancel()
    return identity, leaving


async def test_who_is_cancelled_while_a_token_is_renewed_stays_signed_in() -> None:
    provider = Rotating()
    identity, leaving = await left(provider)
    with pytest.raises(asyncio.CancelledError):
        await leaving
    assert await identity.credential() == "a1"
    provider.time = 600.0
    assert await identity.credential() == "a2"


async def test_one_renewal_serves_all_who_wait() -> None:
    provider = Rotating()
    identity = Identity(provider, "1", "Ada", token(0))
    provider.time = 300.0
    assert await asyncio.gather(*(identity.credential() for _ in range(5))) == ["a1"] * 5
    assert provider.renewals == 1


async def test_all_who_wait_hear_that_they_are_signed_out() -> None:
    provider = Rotating()
    identity = Identity(provider, "1", "Ada", token(7))
    provider.time = 300.0
    heard = await asyncio.gather(*(identity.credential() for _ in range(3)), return_exceptions=True)
    assert [type(each) for each in heard] == [SignedOut] * 3


async def test_certificates_are_read_once(monkeypatch: pytest.MonkeyPatch) -> None:
    provider = Provider(SETTINGS)
    async with provider._client("https://studio.test/back"):
        # What is imported by then has looked at what is taken away here.
        pass
    monkeypatch.setattr(ssl, "create_default_context", lambda *_, **__: pytest.fail("again"))
    monkeypatch.setattr(ssl, "SSLContext", lambda *_, **__: pytest.fail("again"))
    async with provider._client("https://studio.test/back"):
        pass


async def test_the_token_that_is_taken_back_is_the_last() -> None:
    provider = Rotating()
    identity, _ = await left(provider)
    await identity.forget()
    assert provider.revoked == ["r1"]


async def test_who_got_no_refresh_token_gives_none_back() -> None:
    provider = Rotating()
    await Identity(provider, "1", "Ada", {"access_token": "a"}).forget()
    assert provider.revoked == []


@pytest.mark.parametrize("away", [False, True])
async def test_a_provider_that_takes_nothing_back_holds_nobody_up(
    away: bool, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    class Stubborn(Rotating):
        async def revoke(self, refresh: str) -> None:
            if away:
                raise ProviderFailed("away")
            await asyncio.Event().wait()

    monkeypatch.setattr(module, "_TIMEOUT", 0.01)
    with caplog.at_level(logging.WARNING):
        await Identity(Stubborn(), "1", "Ada", token(0)).forget()
    assert "r0" not in caplog.text
    assert "took no token back" in caplog.text


async def test_an_identity_is_kept_where_a_renewal_brings_none() -> None:
    provider = Rotating()
    provider._facts = {"end_session_endpoint": "https://login.invalid/out"}
    identity = Identity(provider, "1", "Ada", {**token(0), "id_token": "i0"})
    provider.time = 300.0
    await identity.credential()
    assert "id_token_hint=i0&" in identity.way_out("https://studio.test/studio/sign-in")
