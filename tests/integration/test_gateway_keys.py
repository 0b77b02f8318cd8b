"""Who may ask what of the gateway, and how often."""

import time
from pathlib import Path

import httpx
import openai
import pytest

from gateway.keystore import KeyStore
from tests.fakes.gateway import (
    BODY,
    CHAT,
    Stage,
    error_of,
    eventually,
    running,
    settings_for,
    stage,
)
from tests.fakes.script import Script
from tests.fakes.upstreams import serving

__all__ = ["stage"]


async def test_no_key_and_wrong_keys_are_refused(stage: Stage) -> None:
    expired = stage.keys.create("old", expires=time.time() - 1)[1]
    revoked_key, revoked = stage.keys.create("gone")
    stage.keys.revoke(revoked_key.id)
    async with httpx.AsyncClient(base_url=stage.url) as client:
        for headers in (
            {},
            {"authorization": "Bearer sk-orf-wrong"},
            {"authorization": "Basic sk-orf-wrong"},
            {"authorization": "Bearer"},
            {"x-api-key": "wrong"},
            {"authorization": f"Bearer {expired}"},
            {"authorization": f"Bearer {revoked}"},
        ):
            response = await client.post(CHAT, json=BODY, headers=headers)
            assert response.status_code == 401
            assert response.headers["www-authenticate"] == "Bearer"
            assert error_of(response)["code"] == "invalid_api_key"
        good = await client.post(CHAT, json=BODY, headers={"x-api-key": stage.secret})
    assert good.status_code == 200


async def test_the_official_client_hears_of_a_bad_key_as_such(stage: Stage) -> None:
    stage.secret = "sk-orf-wrong"
    async with stage.client as client:
        with pytest.raises(openai.AuthenticationError):
            await client.models.list()


async def test_a_key_revoked_by_another_process_stops_soon(stage: Stage, tmp_path: Path) -> None:
    elsewhere = KeyStore(settings_for(tmp_path).database_url)
    async with stage.http as client:
        assert (await client.get("/v1/models")).status_code == 200
        elsewhere.revoke(stage.keys.list()[0].id)

        async def refused() -> bool:
            return (await client.get("/v1/models")).status_code == 401

        await eventually(refused)
    elsewhere.close()


async def test_a_missing_scope_is_forbidden(stage: Stage) -> None:
    stage.secret = stage.keys.create("talker", scopes=["chat"])[1]
    async with stage.client as client:
        with pytest.raises(openai.PermissionDeniedError) as caught:
            await client.models.list()
    assert caught.value.code == "missing_scope"


async def test_a_key_runs_out_of_requests(stage: Stage) -> None:
    stage.secret = stage.keys.create("slow", requests_per_minute=2)[1]
    async with stage.http as client:
        first = await client.post(CHAT, json=BODY)
        assert first.headers["x-ratelimit-limit-requests"] == "2"
        assert first.headers["x-ratelimit-remaining-requests"] == "1"
        assert first.headers["x-ratelimit-reset-requests"].endswith("s")
        assert first.headers["x-ratelimit-limit-tokens"] == "1000000"
        await client.post(CHAT, json={"messages": "wrong ones count too"})
        third = await client.post(CHAT, json=BODY)
        assert third.status_code == 429
        assert error_of(third)["code"] == "rate_limit_exceeded"
        assert third.headers["x-ratelimit-remaining-requests"] == "0"
        assert 1 <= int(third.headers["retry-after"]) <= 60
        assert 0 < int(third.headers["retry-after-ms"]) <= 60_000
        assert (await client.get("/v1/models")).status_code == 200
    async with stage.client as official:
        with pytest.raises(openai.RateLimitError):
            await official.chat.completions.create(
                model="fake-chat", messages=[{"role": "user", "content": "Why?"}]
            )


@pytest.mark.parametrize("stream", [False, True])
async def test_a_key_runs_out_of_tokens(stage: Stage, stream: bool) -> None:
    stage.secret = stage.keys.create("terse", tokens_per_minute=12)[1]
    async with stage.http as client:
        left = []
        for _ in range(3):
            response = await client.post(CHAT, json={**BODY, "stream": stream})
            left.append(response.headers["x-ratelimit-remaining-tokens"])
    assert left == ["12", "2", "0"]
    assert response.status_code == 429
    assert response.headers["x-ratelimit-reset-tokens"] != "0s"


async def test_without_required_keys_anybody_may_ask(tmp_path: Path) -> None:
    address = f"unix:{tmp_path}/services.sock"
    settings = settings_for(tmp_path, address, require_keys=False)
    async with (
        serving(address, Script()),
        running(settings, None) as url,
        httpx.AsyncClient(base_url=url) as client,
    ):
        response = await client.post(CHAT, json={**BODY, "priority": 0})
    assert response.status_code == 200
    assert response.headers["x-request-priority"] == "0"
