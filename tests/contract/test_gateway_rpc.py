"""The public gRPC promises what HTTP does: the same scopes, the same rates, the same errors."""

import re
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any, get_args

import grpc
import httpx
import pytest
from google.protobuf import descriptor_pool

from gateway.rpc.methods import CONTRACTS, METHODS, OWN
from gateway.settings import Capability
from orfeon.api.chat.v1 import chat_pb2
from orfeon.api.lyrics.v1 import lyrics_pb2
from services.runtime.errors import BY_REASON, ServiceUnavailable
from services.runtime.status import code_of
from tests.fakes.rpc import Refusal, Rpc, all_of, bearer, refused, rpc, rpc_staged, upload

__all__ = ["rpc"]

ROOT = Path(__file__).resolve().parents[2]
POOL = descriptor_pool.Default()  # type: ignore[no-untyped-call]
JSON: dict[str, Any] = {"json": {}}
FORM: dict[str, Any] = {"files": {"file": ("a.wav", b"RIFF")}}

#: What does on HTTP what a method does; the path of an arbitrary thing.
ROUTES: dict[str, tuple[str, str, dict[str, Any]]] = {
    "chat.v1.ChatService/ChatCompletion": ("POST", "/v1/chat/completions", JSON),
    "chat.v1.ChatService/StreamChatCompletion": ("POST", "/v1/chat/completions", JSON),
    "chat.v1.ChatService/Completion": ("POST", "/v1/completions", JSON),
    "chat.v1.ChatService/StreamCompletion": ("POST", "/v1/completions", JSON),
    "chat.v1.ChatService/Embed": ("POST", "/v1/embeddings", JSON),
    "lyrics.v1.LyricsService/WriteLyrics": ("POST", "/v1/lyrics", JSON),
    "speech.v1.SpeechService/Synthesize": ("POST", "/v1/audio/speech", JSON),
    "speech.v1.SpeechService/Transcribe": ("POST", "/v1/audio/transcriptions", FORM),
    "speech.v1.SpeechService/ListVoices": ("GET", "/v1/audio/voices", {}),
    "emotion.v1.EmotionService/Classify": ("POST", "/v1/audio/classifications", FORM),
    "emotion.v1.EmotionService/Timeline": ("POST", "/v1/audio/classifications", FORM),
    "emotion.v1.EmotionService/Embed": ("POST", "/v1/audio/embeddings", FORM),
    "emotion.v1.EmotionService/Diarize": ("POST", "/v1/audio/diarization", FORM),
    "melody.v1.MelodyService/Compose": ("POST", "/v1/melodies", JSON),
    "melody.v1.MelodyService/ListGenres": ("GET", "/v1/melodies/genres", {}),
    "song.v1.SongService/CreateSong": ("POST", "/v1/songs", JSON),
    "song.v1.SongService/RepeatSong": ("POST", "/v1/jobs/a/again", JSON),
    "song.v1.SongService/GetJob": ("GET", "/v1/jobs/a", {}),
    "song.v1.SongService/ListJobs": ("GET", "/v1/jobs", {}),
    "song.v1.SongService/WatchJob": ("GET", "/v1/jobs/a/events", {}),
    "song.v1.SongService/CancelJob": ("DELETE", "/v1/jobs/a", {}),
    "song.v1.SongService/ReadArtifact": ("GET", "/v1/jobs/a/artifacts/b", {}),
    "images.v1.ImagesService/Generate": ("POST", "/v1/images/generations", JSON),
    "images.v1.ImagesService/Edit": ("POST", "/v1/images/edits", FORM),
    "images.v1.ImagesService/Vary": ("POST", "/v1/images/variations", FORM),
    "training.v1.TrainingService/UploadFile": ("POST", "/v1/files", FORM),
    "training.v1.TrainingService/GetFile": ("GET", "/v1/files/a", {}),
    "training.v1.TrainingService/ListFiles": ("GET", "/v1/files", {}),
    "training.v1.TrainingService/ReadFile": ("GET", "/v1/files/a/content", {}),
    "training.v1.TrainingService/DeleteFile": ("DELETE", "/v1/files/a", {}),
    "training.v1.TrainingService/CreateJob": ("POST", "/v1/fine_tuning/jobs", JSON),
    "training.v1.TrainingService/GetJob": ("GET", "/v1/fine_tuning/jobs/a", {}),
    "training.v1.TrainingService/ListJobs": ("GET", "/v1/fine_tuning/jobs", {}),
    "training.v1.TrainingService/ListEvents": ("GET", "/v1/fine_tuning/jobs/a/events", {}),
    "training.v1.TrainingService/ListCheckpoints": (
        "GET", "/v1/fine_tuning/jobs/a/checkpoints", {},
    ),
    "training.v1.TrainingService/CancelJob": ("POST", "/v1/fine_tuning/jobs/a/cancel", {}),
    "training.v1.TrainingService/PauseJob": ("POST", "/v1/fine_tuning/jobs/a/pause", {}),
    "training.v1.TrainingService/ResumeJob": ("POST", "/v1/fine_tuning/jobs/a/resume", {}),
    "models.v1.ModelService/ListModels": ("GET", "/v1/models", {}),
    "models.v1.ModelService/LoadModel": ("POST", "/v1/models/a/load", {}),
    "models.v1.ModelService/UnloadModel": ("POST", "/v1/models/a/unload", {}),
    "queue.v1.QueueService/ListQueue": ("GET", "/v1/queue", {}),
}  # fmt: skip
#: What HTTP has as a socket, and what needs no key there.
ELSEWHERE = {"emotion.v1.EmotionService/Follow", "images.v1.ImagesService/GetFile"}


def test_every_method_of_every_public_contract_is_offered() -> None:
    assert set(CONTRACTS) == set(get_args(Capability))
    contracts = {path.parts[-3] for path in (ROOT / "proto").rglob("*.proto")}
    assert contracts - {"common", "arbiter"} == {*CONTRACTS, "models", "queue"}
    methods = {
        f"/{name}/{method.name}"
        for name in (*CONTRACTS.values(), *OWN)
        for method in POOL.FindServiceByName(name).methods
    }
    assert set(METHODS) == methods
    named = {path.removeprefix("/orfeon.api.") for path in METHODS}
    assert named == set(ROUTES) | ELSEWHERE


async def nothing() -> AsyncIterator[bytes]:
    """An upload that ends at once."""
    return
    yield b""


async def asked(rpc: Rpc, path: str, secret: str) -> Refusal:
    call = rpc.channel.stream_stream(path)(nothing(), metadata=bearer(secret))
    return await refused(all_of(call))


async def test_scopes_and_rates_are_those_of_http(rpc: Rpc) -> None:
    _, models = rpc.stage.keys.create("models", scopes={"models"})
    _, chat = rpc.stage.keys.create("chat", scopes={"chat"})
    await rpc.stage.stop()  # Whatever is let in ends soon.
    for name, (verb, route, options) in ROUTES.items():
        path = f"/orfeon.api.{name}"
        bare = chat if METHODS[path].scope == "models" else models
        headers = {"authorization": f"Bearer {bare}"}
        over_http = await rpc.over_http(verb, route, headers=headers, **options)
        refusal = await asked(rpc, path, bare)
        if METHODS[path].scope is None:
            assert over_http.status_code == 200
            continue
        assert over_http.status_code == 403, route
        assert refusal.code == grpc.StatusCode.PERMISSION_DENIED, path
        assert refusal.message == over_http.json()["error"]["message"], path


async def test_what_counts_against_the_rate_is_what_counts_on_http(tmp_path: Path) -> None:
    async with rpc_staged(tmp_path, retry_seconds=0) as rpc:
        await rpc.stage.stop()
        _, root = rpc.stage.keys.create("root", scopes={"admin"})
        headers = {"authorization": f"Bearer {root}"}
        limit = "x-ratelimit-limit-requests"
        for name, (verb, route, options) in ROUTES.items():
            path = f"/orfeon.api.{name}"
            over_http = await rpc.over_http(verb, route, headers=headers, **options)
            # A call without a message is let in, and goes no further.
            refusal = await asked(rpc, path, root)
            assert (limit in refusal.metadata) == (limit in over_http.headers), path
            assert METHODS[path].metered == (limit in over_http.headers), path


def rows() -> Iterator[list[str]]:
    """The table of errors in docs/grpc.md."""
    text = (ROOT / "docs/grpc.md").read_text("utf-8")
    for line in text.splitlines():
        cells = [cell.strip().strip("`") for cell in line.strip("|").split("|")]
        if len(cells) == 4 and re.fullmatch(r"[A-Z_]+", cells[0]):
            yield cells


def test_the_documented_table_is_that_of_the_errors() -> None:
    documented = [tuple(row) for row in rows()]
    assert documented == [
        (cls.reason, code_of(cls("")).name, str(cls.http_status), cls.code or "")
        for cls in BY_REASON.values()
    ]


def same(refusal: Refusal, answer: httpx.Response) -> None:
    """Both protocols say the same, in their words."""
    cls = BY_REASON[refusal.reason]
    error = answer.json()["error"]
    assert (answer.status_code, error["code"]) == (cls.http_status, cls.code)
    assert refusal.code == code_of(cls(""))
    assert (refusal.message, refusal.param) == (error["message"], error["param"])
    waits = answer.headers.get("retry-after-ms")
    assert refusal.metadata.get("retry-after-ms") == waits
    if waits is None:
        assert refusal.retry_after is None
    else:
        assert refusal.retry_after == pytest.approx(int(waits) / 1000, abs=0.002)
    for name in ("x-queue-position", "x-queue-estimated-wait-ms", "retry-after"):
        assert refusal.metadata.get(name) == answer.headers.get(name)


CHAT = "/v1/chat/completions"
BODY = {"messages": [{"role": "user", "content": "Why?"}]}
ASKED = chat_pb2.ChatCompletionRequest(
    messages=[
        chat_pb2.Message(role=chat_pb2.ROLE_USER, content=[chat_pb2.ContentPart(text="Why?")])
    ]
)


async def test_whatever_a_service_raises_is_the_same_by_both(rpc: Rpc) -> None:
    for cls in BY_REASON.values():
        if cls is ServiceUnavailable:
            continue  # It is asked again: see below.
        rpc.stage.script.error = cls(
            "What to change.",
            param="model",
            retry_after=1.25 if cls.retryable else None,
            facts={"queue_position": 3, "estimated_wait": 1.5},
        )
        answer = await rpc.over_http("POST", CHAT, json=BODY)
        same(await refused(rpc.chat.ChatCompletion(ASKED, metadata=rpc.key)), answer)


async def test_the_same_faults_are_the_same_by_both(tmp_path: Path) -> None:
    limits = {"max_json_bytes": 4000, "max_upload_bytes": 4000, "retry_seconds": 0}
    async with rpc_staged(tmp_path, **limits) as rpc:
        _, bare = rpc.stage.keys.create("bare", scopes={"models"})
        for secret in ("sk-orf-nobodys", bare):
            headers = {"authorization": f"Bearer {secret}"}
            answer = await rpc.over_http("POST", CHAT, json=BODY, headers=headers)
            metadata = bearer(secret)
            same(await refused(rpc.chat.ChatCompletion(ASKED, metadata=metadata)), answer)

        answer = await rpc.over_http("POST", CHAT, json={**BODY, "model": "nobody"})
        unknown = chat_pb2.ChatCompletionRequest(model="nobody", messages=ASKED.messages)
        same(await refused(rpc.chat.ChatCompletion(unknown, metadata=rpc.key)), answer)

        answer = await rpc.over_http("POST", CHAT, json=BODY, headers={"x-request-priority": "9"})
        metadata = bearer(rpc.stage.secret, x_request_priority="9")
        same(await refused(rpc.chat.ChatCompletion(ASKED, metadata=metadata)), answer)

        # The sentences are about a body and about a message: the rest is the same.
        answer = await rpc.over_http("POST", "/v1/lyrics", json={"theme": "x" * 5000})
        wish = lyrics_pb2.WriteLyricsRequest(theme="x" * 5000)
        refusal = await refused(all_of(rpc.lyrics.WriteLyrics(wish, metadata=rpc.key)))
        assert answer.status_code == BY_REASON[refusal.reason].http_status == 413
        file = {"files": {"file": ("a.wav", b"RIFF" * 2000)}}
        answer = await rpc.over_http("POST", "/v1/audio/transcriptions", **file)
        call = rpc.speech.Transcribe(upload(b"RIFF" * 2000), metadata=rpc.key)
        refusal = await refused(all_of(call))
        assert answer.status_code == BY_REASON[refusal.reason].http_status == 413

        await rpc.stage.stop()
        answer = await rpc.over_http("POST", CHAT, json=BODY)
        same(await refused(rpc.chat.ChatCompletion(ASKED, metadata=rpc.key)), answer)
        assert answer.status_code == 503
