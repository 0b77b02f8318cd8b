"""How work ended, and when its first output came, as the gateway's metrics tell it."""

from typing import Any

import pytest

from orfeon.api.chat.v1 import chat_pb2
from services.runtime.errors import (
    Internal,
    InvalidRequest,
    ModelLoading,
    OrfeonError,
    Overloaded,
    RateLimitExceeded,
)
from tests.fakes.gateway import BODY, CHAT, eventually
from tests.fakes.rpc import ASKED, Rpc, refused, rpc

__all__ = ["rpc"]

WORK = "orfeon_gateway_requests_total"
FIRST = "orfeon_gateway_time_to_first_output_seconds_count"
WHOLE = "orfeon_gateway_request_duration_seconds_count"


async def told(rpc: Rpc, metric: str, **labels: str) -> float:
    """What a metric of chat says, summed over the labels that are not given."""
    wanted = {f'{name}="{value}"' for name, value in {"operation": "chat", **labels}.items()}
    rows = [line.rsplit(" ", 1) for line in (await rpc.metrics()).splitlines()]
    return sum(
        float(value)
        for name, value in rows
        if name.startswith(metric + "{") and wanted <= set(name[len(metric) + 1 : -1].split(","))
    )


async def until_told(rpc: Rpc, times: float, metric: str, **labels: str) -> None:
    async def counted() -> bool:
        return await told(rpc, metric, **labels) == times

    await eventually(counted)


@pytest.mark.parametrize(
    ("error", "level", "outcome"),
    [
        (None, 1, "ok"),
        (Overloaded("Full."), 0, "error"),
        (Overloaded("Full."), 1, "error"),
        (Overloaded("Full."), 2, "shed"),
        (ModelLoading("Loading."), 2, "error"),
        (Internal("Oh."), 1, "error"),
        (InvalidRequest("No."), 0, "refused"),
        (RateLimitExceeded("Enough."), 0, "refused"),
    ],
)
async def test_work_is_told_by_how_it_ended(
    rpc: Rpc, error: OrfeonError | None, level: int, outcome: str
) -> None:
    rpc.stage.script.error = error
    await rpc.over_http("POST", CHAT, json=BODY, headers={"x-request-priority": str(level)})
    await until_told(rpc, 1, WORK, outcome=outcome, priority=str(level))
    assert await told(rpc, WORK) == 1
    assert await told(rpc, WHOLE) == (1 if outcome == "ok" else 0)


async def test_who_is_not_let_in_has_not_been_failed(rpc: Rpc) -> None:
    await rpc.over_http("POST", CHAT, json=BODY, headers={"authorization": "Bearer wrong"})
    await rpc.over_http("POST", CHAT, content=b"?", headers={"content-type": "text/plain"})
    await until_told(rpc, 2, WORK, outcome="refused", priority="1")


async def test_a_stream_that_breaks_off_is_an_error_and_had_a_first_output(rpc: Rpc) -> None:
    rpc.stage.script.error, rpc.stage.script.error_after = Internal("Oh."), 2
    response = await rpc.over_http("POST", CHAT, json={**BODY, "stream": True})
    assert response.status_code == 200
    await until_told(rpc, 1, WORK, outcome="error")
    assert await told(rpc, FIRST) == 1
    assert await told(rpc, WHOLE) == 0


async def test_who_leaves_a_stream_was_not_failed(rpc: Rpc) -> None:
    rpc.stage.script.hold = True
    async with (
        rpc.stage.http as client,
        client.stream("POST", CHAT, json={**BODY, "stream": True}) as response,
    ):
        await anext(response.aiter_bytes())
    await until_told(rpc, 1, WORK, outcome="left")
    assert await told(rpc, WORK) == 1


async def test_a_whole_answer_has_no_first_output(rpc: Rpc) -> None:
    await rpc.over_http("POST", CHAT, json=BODY)
    await rpc.chat.ChatCompletion(ASKED, metadata=rpc.key)
    await until_told(rpc, 2, WORK, outcome="ok")
    assert await told(rpc, FIRST) == 0


@pytest.mark.parametrize("path", ["/v1/audio/speech", "/v1/lyrics", "/v1/melodies"])
async def test_sound_and_lines_are_first_outputs(rpc: Rpc, path: str) -> None:
    bodies: dict[str, dict[str, Any]] = {
        "/v1/audio/speech": {"input": "Good morning."},
        "/v1/lyrics": {"genre": "pop", "stream": True},
        "/v1/melodies": {"genre": "pop"},
    }
    response = await rpc.over_http("POST", path, json=bodies[path])
    assert response.status_code == 200
    operation = {"/v1/audio/speech": "speech", "/v1/lyrics": "lyrics", "/v1/melodies": "melody"}
    await until_told(rpc, 1, FIRST, operation=operation[path], priority="1")


async def test_grpc_is_told_of_alike(rpc: Rpc) -> None:
    asked = chat_pb2.StreamChatCompletionRequest(completion=ASKED)
    urgent = (*rpc.key, ("x-request-priority", "2"))
    pieces = [piece async for piece in rpc.chat.StreamChatCompletion(asked, metadata=urgent)]
    assert pieces
    await until_told(rpc, 1, FIRST, priority="2")
    rpc.stage.script.error = Overloaded("Full.")
    await refused(rpc.chat.ChatCompletion(ASKED, metadata=urgent))
    await until_told(rpc, 1, WORK, outcome="shed", priority="2")
    assert await told(rpc, WORK) == 2
