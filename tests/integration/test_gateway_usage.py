"""What keys have used, counted and told by the gateway."""

from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.fakes.gateway import BODY, CHAT, Stage, error_of, stage
from tests.recordings import tone, wav

__all__ = ["stage"]


def break_database(home: Path) -> None:
    for path in home.glob("orfeon.db*"):
        path.unlink()
    (home / "orfeon.db").write_text("no database")


async def used(client: httpx.AsyncClient, **query: Any) -> dict[str, tuple[int, int, float]]:
    """Requests, tokens and seconds by capability, of all days: one may end meanwhile."""
    answer = await client.get("/v1/usage", params=query)
    assert answer.status_code == 200
    found: dict[str, tuple[int, int, float]] = {}
    for row in answer.json()["data"]:
        requests, tokens, seconds = found.get(row["capability"], (0, 0, 0.0))
        found[row["capability"]] = (
            requests + row["requests"],
            tokens + row["tokens"],
            seconds + row["audio_seconds"],
        )
    return found


@pytest.mark.parametrize("stream", [False, True])
async def test_requests_tokens_and_audio_are_counted(stage: Stage, stream: bool) -> None:
    form = {"stream": str(stream).lower()}
    file = {"file": ("a.wav", wav(tone(2.0)), "audio/wav")}
    async with stage.http as client:
        assert await used(client) == {}
        for _ in range(2):
            await client.post(CHAT, json={**BODY, "stream": stream})
        await client.post("/v1/audio/transcriptions", data=form, files=file)
        await client.post("/v1/audio/classifications", data=form, files=file)
        found = await used(client)
    assert found["chat"] == (2, 20, 0.0)
    assert (found["speech"][:2], found["emotion"][:2]) == ((1, 0), (1, 0))
    assert found["speech"][2] > 0
    assert found["emotion"][2] > 0


async def test_what_failed_counts_as_a_request_and_what_was_refused_does_not(stage: Stage) -> None:
    stage.secret = stage.keys.create("slow", requests_per_minute=2)[1]
    async with stage.http as client:
        statuses = [
            (await client.post(CHAT, json=body)).status_code
            for body in (BODY, {"messages": "wrong"}, BODY)
        ]
        assert statuses == [200, 400, 429]
        assert await used(client) == {"chat": (2, 10, 0.0)}


async def test_a_key_sees_its_own_and_an_admin_key_all(stage: Stage) -> None:
    admin = stage.keys.create("root", scopes=["admin"])[1]
    other = stage.keys.create("other")[1]
    async with stage.http as client:
        await client.post(CHAT, json=BODY)
        await client.post(CHAT, json=BODY, headers={"authorization": f"Bearer {other}"})
        own = (await client.get("/v1/usage")).json()
        everything = (
            await client.get("/v1/usage", headers={"authorization": f"Bearer {admin}"})
        ).json()
        first = (
            await client.get("/v1/usage?limit=1", headers={"authorization": f"Bearer {admin}"})
        ).json()
    assert len(own["data"]) == 1
    assert not own["has_more"]
    assert len({row["key_id"] for row in everything["data"]}) == 2
    assert (len(first["data"]), first["has_more"]) == (1, True)


@pytest.mark.parametrize("query", ["days=0", "days=367", "days=x", "limit=0", "limit=10001"])
async def test_a_question_that_makes_no_sense_is_refused(stage: Stage, query: str) -> None:
    async with stage.http as client:
        answer = await client.get(f"/v1/usage?{query}")
    assert answer.status_code == 400
    assert error_of(answer)["param"] == query.partition("=")[0]


async def test_a_broken_database_is_503(stage: Stage, tmp_path: Path) -> None:
    async with stage.http as client:
        await used(client)
        stage.keys.database.dispose()
        break_database(tmp_path)
        answer = await client.get("/v1/usage")
    assert answer.status_code == 503
    assert answer.headers["retry-after"] == "1"
