"""Somebody of a provider, whose token is renewed."""

import asyncio
import ssl
from collections.abc import Mapping
from typing import Any

import pytest

from services.studio.provider import Identity, Provider
from services.studio.sessions import SignedOut
from services.studio.settings import StudioSettings

SETTINGS = StudioSettings(oidc_issuer="https://login.invalid", oidc_client_id="studio")


class Rotating(Provider):
    """Takes each refresh token once, and takes its time."""

    def __init__(self) -> None:
        super().__init__(SETTINGS, wall=lambda: self.time)
        self.time = 0.0
        self.renewals = 0

    async def renewed(self, refresh: str) -> Mapping[str, Any]:
        if refresh != f"r{self.renewals}":
            raise SignedOut
        self.renewals += 1
        await asyncio.sleep(0.01)
        return token(self.renewals)


def token(at: int) -> Mapping[str, Any]:
    return {"access_token": f"a{at}", "refresh_token": f"r{at}", "expires_in": 300}


async def test_who_is_cancelled_while_a_token_is_renewed_stays_signed_in() -> None:
    provider = Rotating()
    identity = Identity(provider, "1", "Ada", token(0))
    provider.time = 300.0
    leaving = asyncio.create_task(identity.credential())
    await asyncio.sleep(0)
    leaving.cancel()
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
    monkeypatch.setattr(ssl, "create_default_context", lambda *_, **__: pytest.fail("again"))
    monkeypatch.setattr(ssl, "SSLContext", lambda *_, **__: pytest.fail("again"))
    async with provider._client("https://studio.test/back"):
        pass
