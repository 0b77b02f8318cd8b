"""Requests that are not done when the time to drain is over."""

import asyncio
import json
import logging
from pathlib import Path
from typing import Any

import grpc
import httpx
import pytest

from gateway.keystore import KeyStore
from orfeon.api.chat.v1 import chat_pb2_grpc
from tests.fakes.gateway import BODY, CHAT, error_of, eventually, running, settings_for
from tests.fakes.rpc import ASKED, dialled, with_grpc
from tests.fakes.script import Script
from tests.fakes.upstreams import serving


async def test_what_outlasts_the_drain_is_told_to_come_again_and_counts_as_our_fault(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, "gateway.access")
    address = f"unix:{tmp_path}/services.sock"
    settings = settings_for(tmp_path, address)
    keys = KeyStore(settings.database_url)
    headers = {"x-api-key": keys.create("any")[1]}
    script = Script(hold=True)

    async def both_there() -> bool:
        return len(script.requests) == 2

    async with serving(address, script), httpx.AsyncClient(timeout=30) as client:
        async with running(settings, keys) as url:
            asked = asyncio.create_task(client.post(url + CHAT, json=BODY, headers=headers))
            request = client.build_request(
                "POST", url + CHAT, json={**BODY, "stream": True}, headers=headers
            )
            stream = await client.send(request, stream=True)
            lines = stream.aiter_lines()
            await anext(lines)
            await eventually(both_there)
        answer = await asked
        told = [line async for line in lines if line.startswith("data: ")]
        await stream.aclose()
    keys.close()
    assert answer.status_code == 503
    assert answer.headers["retry-after"] == "1"
    assert error_of(answer)["code"] == "service_unavailable"
    assert json.loads(told[-1].removeprefix("data: "))["error"]["code"] == "service_unavailable"
    ended = [record for record in caplog.records if record.message == "answered"]
    assert {vars(record)["error"] for record in ended} == {"service_unavailable"}
    assert len(ended) == 2


async def test_a_call_that_outlasts_the_drain_counts_as_our_fault(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, "gateway.access")
    services = f"unix:{tmp_path}/services.sock"
    settings, address = with_grpc(settings_for(tmp_path, services))
    settings = settings.model_copy(update={"drain_seconds": 1})
    script = Script(hold=True)
    async with serving(services, script), dialled(address) as channel:
        async with running(settings, None):
            stub: Any = chat_pb2_grpc.ChatServiceStub(channel)
            call = stub.ChatCompletion(ASKED, wait_for_ready=True)
            await asyncio.wait_for(script.started.wait(), 20)
        with pytest.raises(grpc.aio.AioRpcError):
            await call
    (ended,) = [record for record in caplog.records if record.message == "answered"]
    assert vars(ended)["error"] == "service_unavailable"
