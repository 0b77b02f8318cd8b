"""What the web app counts."""

import httpx
import pytest
from prometheus_client import CollectorRegistry, generate_latest
from starlette.types import Receive, Scope, Send

from orfeon.errors import APIConnectionError, APIStatusError
from services.studio.failures import KINDS, kind_of
from services.studio.guard import Guard
from services.studio.metrics import StudioMetrics
from services.studio.sessions import COOKIE, Session, Sessions, SignedOut
from tests.fakes.clock import FakeClock


async def key() -> str:
    return "sk-orf-1"


async def nothing_there(scope: Scope, receive: Receive, send: Send) -> None:
    await send({"type": "http.response.start", "status": 404, "headers": []})
    await send({"type": "http.response.body", "body": b""})


async def get(guard: Guard, path: str, session: Session | None) -> int:
    cookies = {COOKIE: session.id} if session else {}
    transport = httpx.ASGITransport(guard)
    async with httpx.AsyncClient(transport=transport, base_url="http://o", cookies=cookies) as http:
        return (await http.get(path, headers={"accept": "text/html"})).status_code


async def test_pages_are_counted_by_name_and_status_and_nothing_else_is() -> None:
    registry = CollectorRegistry()
    sessions = Sessions(60, 60, 5)
    metrics = StudioMetrics(registry, sessions.alive)
    guard = Guard(nothing_there, sessions, ("home", "song"), metrics.served)
    session = sessions.open("somebody", key, "somebody")

    assert await get(guard, "/studio/es/song", None) == 303
    assert await get(guard, "/studio/es/song", session) == 404
    assert await get(guard, "/studio/en/song", session) == 404
    assert await get(guard, "/studio/en/assets/some.js", session) == 404

    counted = {
        line for line in generate_latest(registry).decode().splitlines() if "pages_total{" in line
    }
    assert counted == {
        'orfeon_studio_pages_total{page="song",status="303"} 1.0',
        'orfeon_studio_pages_total{page="song",status="404"} 2.0',
    }


def test_every_kind_of_failure_is_counted_from_zero_on() -> None:
    registry = CollectorRegistry()
    StudioMetrics(registry, lambda: 0)

    for kind in KINDS:
        assert registry.get_sample_value("orfeon_studio_failures_total", {"kind": kind}) == 0


def test_who_has_gone_without_signing_out_is_not_counted_as_signed_in() -> None:
    clock = FakeClock()
    registry = CollectorRegistry()
    sessions = Sessions(3600, 60, 5, clock)
    StudioMetrics(registry, sessions.alive)
    sessions.open("one", key, "one")
    clock.advance(50)
    sessions.open("other", key, "other")
    assert registry.get_sample_value("orfeon_studio_sessions") == 2

    clock.advance(20)
    assert registry.get_sample_value("orfeon_studio_sessions") == 1


@pytest.mark.parametrize(
    ("error", "kind"),
    [
        (SignedOut(), "signed_out"),
        (APIStatusError("x", status=401), "signed_out"),
        (APIConnectionError("x"), "gateway_away"),
        (httpx.ReadTimeout("x"), "gateway_away"),
        (APIStatusError("x", status=429), "refused"),
        (APIStatusError("x", status=503), "gateway_failed"),
        (ValueError("x"), "unexpected"),
    ],
)
def test_failures_are_counted_by_one_of_a_few_kinds(error: Exception, kind: str) -> None:
    registry = CollectorRegistry()
    StudioMetrics(registry, lambda: 0).failed(kind_of(error))

    found = registry.get_sample_value("orfeon_studio_failures_total", {"kind": kind})
    assert found == 1
