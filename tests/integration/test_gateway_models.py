"""Models listed, loaded and unloaded by hand, and the queue, through the gateway."""

import asyncio
import json
from pathlib import Path
from typing import get_args

import httpx
import openai
import pytest
from typer.testing import CliRunner, Result

from gateway.settings import Capability
from orfeon import AsyncOrfeon
from orfeon.api.queue.v1 import queue_pb2
from orfeon.cli.app import app
from services.runtime.errors import ModelLoadFailed
from tests.fakes.gateway import Stage, running, settings_for, stage
from tests.fakes.script import Script
from tests.fakes.upstreams import serving

__all__ = ["stage"]

VOICE = "/v1/models/org/fake-voice"


def promoted(stage: Stage) -> Stage:
    """The same stage with an admin's key."""
    stage.secret = stage.keys.create("boss", scopes=["admin"])[1]
    return stage


async def test_models_are_listed_and_found(stage: Stage) -> None:
    async with stage.client as client:
        listed = [model.id async for model in client.models.list()]
        found = await client.models.retrieve("org/fake-voice")
        with pytest.raises(openai.NotFoundError) as caught:
            await client.models.retrieve("nothing")
    assert listed[:2] == ["fake-chat", "org/fake-voice"]
    assert found.to_dict()["capabilities"]["voices"] == ["joe"]  # type: ignore[index]
    assert caught.value.code == "model_not_found"
    async with stage.http as http:
        speaking = await http.get("/v1/models", params={"task": "speech"})
    assert {model["id"] for model in speaking.json()["data"]} == {"org/fake-voice"}


async def test_a_model_is_loaded_pinned_and_unloaded(stage: Stage) -> None:
    async with promoted(stage).http as client:
        before = (await client.get(VOICE)).json()["capabilities"]
        loaded = await client.post(f"{VOICE}/load", json={"pinned": True})
        listed = (await client.get(VOICE)).json()
        # By its alias, and with no body at all.
        again = await client.post("/v1/models/tts-1/load")
        unloaded = await client.post("/v1/models/tts-1/unload")
        after = (await client.get(VOICE)).json()
    assert (before["state"], before["device"], before["loaded_at"]) == ("unloaded", None, None)
    assert loaded.status_code == 200
    assert loaded.json() == listed == again.json()
    does = listed["capabilities"]
    assert (does["state"], does["device"], does["pinned"]) == ("loaded", "cpu", True)
    assert does["loaded_at"] == 1_760_000_100
    assert unloaded.json() == after
    assert after["capabilities"]["state"] == "unloaded"
    assert not stage.script.requests[1].HasField("pinned")


async def test_only_admin_keys_load_and_unload(stage: Stage) -> None:
    async with stage.http as client:
        for action in ("load", "unload"):
            response = await client.post(f"{VOICE}/{action}")
            assert response.status_code == 403
            assert response.json()["error"]["code"] == "missing_scope"


async def test_what_cannot_be_loaded_says_so_in_the_envelope(stage: Stage) -> None:
    async with promoted(stage).http as client:
        unknown = await client.post("/v1/models/no/such/load")
        wrong = await client.post(f"{VOICE}/load", json={"pinned": "yes"})
        text = await client.post(f"{VOICE}/load", content=b"x")
        # What curl sends when it is not told that its data is JSON.
        form = await client.post(f"{VOICE}/load", data={"pinned": "true"})
        listed = await client.post(f"{VOICE}/load", json=[])
        stage.script.error = ModelLoadFailed("It hung.", param="model", retry_after=1)
        failed = await client.post(f"{VOICE}/load")
    assert (unknown.status_code, unknown.json()["error"]["code"]) == (404, "model_not_found")
    assert (wrong.status_code, wrong.json()["error"]["param"]) == (400, "pinned")
    for refused in (text, form, listed):
        assert refused.status_code == 400
        assert "JSON object" in refused.json()["error"]["message"]
    assert (failed.status_code, failed.json()["error"]["code"]) == (503, "model_load_failed")
    assert failed.headers["retry-after"] == "1"


async def test_a_load_that_takes_too_long_is_a_timeout(tmp_path: Path) -> None:
    address = f"unix:{tmp_path}/services.sock"
    settings = settings_for(tmp_path, address, request_timeout=0.3)
    async with (
        serving(address, Script(hold=True)),
        running(settings, None) as url,
        httpx.AsyncClient(base_url=url) as client,
    ):
        response = await client.post(f"{VOICE}/load")
    assert (response.status_code, response.json()["error"]["code"]) == (504, "deadline_exceeded")


async def test_a_client_that_leaves_ends_its_wait_for_a_load(stage: Stage) -> None:
    stage.script.hold = True
    async with promoted(stage).http as client:
        request = asyncio.create_task(client.post(f"{VOICE}/load"))
        await asyncio.wait_for(stage.script.started.wait(), 20)
        request.cancel()
        await asyncio.wait([request])
    await asyncio.wait_for(stage.script.cancelled.wait(), 20)


def entry(key_id: str, request_id: str, running: bool) -> queue_pb2.QueueEntry:
    return queue_pb2.QueueEntry(
        request_id=request_id,
        key_id=key_id,
        model="fake-chat",
        priority=2,
        running=running,
        seconds=1.5,
        position=0 if running else 4,
        estimated_wait=0 if running else None,
    )


async def test_a_key_sees_its_own_requests_in_the_queue_and_an_admin_all(stage: Stage) -> None:
    chosen, secret = stage.keys.create("talker", scopes=["chat"])
    stage.script.queue = [entry("other", "req_1", True), entry(chosen.id, "req_2", False)]
    stage.secret = secret
    async with stage.http as client:
        own = (await client.get("/v1/queue")).json()
    async with promoted(stage).http as client:
        everything = (await client.get("/v1/queue")).json()
    expected = {
        "request_id": "req_2",
        "model": "fake-chat",
        "priority": 2,
        "state": "queued",
        "seconds": 1.5,
        "position": 4,
        "estimated_wait_seconds": None,
    }
    # The one fake is every service.
    names = get_args(Capability)
    assert own["data"] == [{**expected, "capability": name} for name in names]
    assert len(everything["data"]) == 2 * len(names)
    first = everything["data"][0]
    assert (first["request_id"], first["key_id"], first["state"]) == ("req_1", "other", "running")


async def test_services_that_are_away_have_no_queue(tmp_path: Path) -> None:
    settings = settings_for(tmp_path, f"unix:{tmp_path}/services.sock")
    async with running(settings, None) as url, httpx.AsyncClient(base_url=url) as client:
        response = await client.get("/v1/queue")
    assert (response.status_code, response.json()["data"]) == (200, [])


async def test_the_client_of_ours_does_all_of_it(stage: Stage) -> None:
    stage.script.queue = [entry("other", "req_1", True)]
    async with AsyncOrfeon(promoted(stage).url, stage.secret) as client:
        loaded = await client.load_model("org/fake-voice", pinned=True)
        assert (loaded.state, loaded.pinned, loaded.resident_bytes) == ("loaded", True, 1_000)
        assert (await client.unload_model("tts-1")).state == "unloaded"
        (first, *_) = await client.queue()
        assert (first.request_id, first.state, first.estimated_wait) == ("req_1", "running", 0.0)


async def test_the_commands_do_all_of_it(stage: Stage, tmp_path: Path) -> None:
    stage.script.queue = [entry("other", "req_1", True)]
    promoted(stage)

    async def run(*command: str) -> Result:
        options = ("--base-url", stage.url, "--api-key", stage.secret, "--home", str(tmp_path))
        return await asyncio.to_thread(CliRunner().invoke, app, [*command, *options])

    loaded = await run("models", "load", "tts-1", "--pin")
    assert loaded.stdout == "org/fake-voice: 1.0 kB on cpu, pinned.\n", loaded.stderr
    listed = await run("ps")
    assert "org/fake-voice" in listed.stdout
    assert "pinned" in listed.stdout
    rows = json.loads((await run("ps", "--json")).stdout)
    assert {(row["id"], row["state"], row["pinned"]) for row in rows} == {
        ("fake-chat", "loaded", False),
        ("org/fake-voice", "loaded", True),
    }
    unloaded = await run("models", "unload", "tts-1")
    assert unloaded.stdout == "org/fake-voice is unloaded.\n"
    assert "org/fake-voice" not in (await run("ps")).stdout
    assert "req_1" in (await run("queue")).stdout
    first, *_ = json.loads((await run("queue", "--json")).stdout)
    assert (first["request_id"], first["key_id"]) == ("req_1", "other")
