"""What the client says of voices, against a gateway that is a function."""

import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx
import pytest

import orfeon

Handler = Callable[[httpx.Request], httpx.Response]

HAPPY: dict[str, Any] = {
    "label": "happy",
    "confidence": 0.9,
    "labels": [{"label": "happy", "score": 0.9}, {"label": "sad", "score": 0.1}],
}
NOBODY: dict[str, Any] = {"label": None, "confidence": None, "labels": []}
WHOLE: dict[str, Any] = {
    "object": "audio.classification",
    "model": "m",
    "duration": 2.5,
    **HAPPY,
    "speech": True,
    "speech_duration": 2.0,
    "fallback_for": "slow",
}
SEGMENT: dict[str, Any] = {"start": 0, "end": 1, "speaker": "A"}


def client(handler: Handler) -> orfeon.Orfeon:
    return orfeon.Orfeon("http://gateway.test", "key", transport=httpx.MockTransport(handler))


def sent(request: httpx.Request) -> dict[str, list[str]]:
    """The fields of a form that are no files."""
    found: dict[str, list[str]] = {}
    for name, value in re.findall(rb'name="([^"]+)"\r\n\r\n(.*?)\r\n--', request.read(), re.DOTALL):
        found.setdefault(name.decode(), []).append(value.decode())
    return found


def test_all_that_was_heard_is_typed() -> None:
    def handler(request: httpx.Request) -> httpx.Response:
        assert sent(request) == {
            "timeline": ["true"],
            "speakers": ["false"],
            "top_k": ["1"],
            "priority": ["1"],
            "threshold": ["0.5"],
            "fallback": ["never"],
        }
        speaker = {"speaker": "A", "duration": 2, "spans": [{"start": 0, "end": 2}], **HAPPY}
        timeline = [{**SEGMENT, **HAPPY}, {"start": 1, "end": 2.5, "speaker": None, **NOBODY}]
        return httpx.Response(200, json={**WHOLE, "timeline": timeline, "speakers": [speaker]})

    found = client(handler).classify(
        b"RIFF",
        timeline=True,
        speakers=False,
        top_k=1,
        priority=1,
        threshold=0.5,
        fallback="never",
    )
    assert found.best == orfeon.LabelScore("happy", 0.9)
    assert (found.fallback_for, found.speech_duration) == ("slow", 2.0)
    first, second = found.timeline
    assert (first.label, first.speaker, second.label, second.labels) == ("happy", "A", None, ())
    assert found.speakers[0].spans == (orfeon.TimeSpan(0, 2),)


def test_where_nobody_speaks_there_is_no_best() -> None:
    answer = {**WHOLE, **NOBODY, "speech": False, "speech_duration": 0}
    found = client(lambda request: httpx.Response(200, json=answer)).classify(b"RIFF")
    assert (found.best, found.label, found.speech) == (None, None, False)


@pytest.mark.parametrize("count", [1, 2])
def test_several_recordings_go_in_one_request(count: int) -> None:
    def handler(request: httpx.Request) -> httpx.Response:
        assert request.read().count(b'name="file"; filename=') == count
        several = {"object": "list", "data": [WHOLE] * count}
        return httpx.Response(200, json=several if count > 1 else WHOLE)

    found = client(handler).classify_all([b"RIFF"] * count)
    assert [one.label for one in found] == ["happy"] * count


def events(*data: object) -> httpx.Response:
    written = [f"data: {json.dumps(one)}\n\n" for one in data]
    return httpx.Response(200, text="".join([":\n\n", *written, "data: [DONE]\n\n"]))


async def test_a_timeline_comes_in_pieces() -> None:
    def handler(request: httpx.Request) -> httpx.Response:
        assert sent(request) == {"stream": ["true"], "speakers": ["true"]}
        return events(
            {"type": "audio.classification.segment", **SEGMENT, **HAPPY},
            {"type": "audio.classification.done", **WHOLE},
        )

    def check(pieces: list[object]) -> None:
        segment, whole = pieces
        assert isinstance(segment, orfeon.TimelineSegment)
        assert (segment.end, segment.label) == (1, "happy")
        assert isinstance(whole, orfeon.Classification)

    check(list(client(handler).timeline(b"RIFF", speakers=True)))
    transport = httpx.MockTransport(handler)
    async with orfeon.AsyncOrfeon("http://gateway.test", transport=transport) as gateway:
        check([piece async for piece in gateway.timeline(b"RIFF", speakers=True)])


@pytest.mark.parametrize("broken", [{"type": "audio.classification.segment"}, {"error": {}}, []])
def test_a_timeline_that_nobody_understands_is_an_error(broken: object) -> None:
    with pytest.raises(orfeon.OrfeonError, match="not one of Orfeón's"):
        list(client(lambda request: events(broken)).timeline(b"RIFF"))


async def test_who_speaks_when_and_who_is_known(tmp_path: Path) -> None:
    (tmp_path / "ana.flac").write_bytes(b"fLaC")

    def handler(request: httpx.Request) -> httpx.Response:
        assert sent(request) == {
            "num_speakers": ["2"],
            "known_speaker_names[]": ["Ana", "Ben"],
            "known_speaker_references[]": [
                "data:audio/flac;base64,ZkxhQw==",
                "data:audio/wav;base64,UklGRg==",
            ],
        }
        turns = [{"speaker": "Ana", "start": 0, "end": 1.5}]
        body = {"model": "s", "duration": 2, "speakers": [{"id": "Ana"}], "segments": turns}
        return httpx.Response(200, json=body)

    known: dict[str, Any] = {"Ana": tmp_path / "ana.flac", "Ben": b"RIFF"}
    found = client(handler).diarize(b"RIFF", known, num_speakers=2)
    assert found == orfeon.Diarization("s", 2.0, ("Ana",), (orfeon.Turn("Ana", 0, 1.5),))
    transport = httpx.MockTransport(handler)
    async with orfeon.AsyncOrfeon("http://gateway.test", transport=transport) as gateway:
        assert await gateway.diarize(b"RIFF", known, num_speakers=2) == found


async def test_vectors_and_keywords() -> None:
    def handler(request: httpx.Request) -> httpx.Response:
        if request.url.path == "/v1/audio/embeddings":
            row = {"embedding": [0.6, 0.8], "duration": 2, "speech_duration": 1}
            return httpx.Response(200, json={"model": "s", "data": [row]})
        assert sent(request) == {"keywords[]": ["yes", "no way"], "language": ["en"]}
        match = {"keyword": "yes", "text": "Yes!", "start": 1, "end": 2}
        match |= {"similarity": 1.0, "probability": 0.9}
        return httpx.Response(200, json={"data": [match]})

    wanted = orfeon.KeywordMatch("yes", "Yes!", 1, 2, 1.0, 0.9)
    with client(handler) as gateway:
        assert gateway.embed_voice(b"RIFF").values == (0.6, 0.8)
        assert gateway.find_keywords(b"RIFF", ["yes", "no way"], language="en") == [wanted]
    transport = httpx.MockTransport(handler)
    async with orfeon.AsyncOrfeon("http://gateway.test", transport=transport) as later:
        assert (await later.embed_voice(b"RIFF")).speech_duration == 1
        assert await later.find_keywords(b"RIFF", ["yes", "no way"], language="en") == [wanted]
        assert not isinstance(wanted, orfeon.VoiceEmbedding)
