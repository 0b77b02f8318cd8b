"""A recording that is listened to, at a gateway that answers from a script."""

import json
from pathlib import Path
from typing import Any

import httpx
import pytest

from orfeon import AsyncOrfeon
from orfeon.errors import OrfeonError
from services.studio.pages.emotion_hearing import LONG, Hearing, shown
from services.studio.texts import Texts
from tests.recordings import tone, wav

T = Texts("en")
LABELS = [{"label": "happy", "score": 0.8}, {"label": "sad", "score": 0.2}]
ANSWER: dict[str, Any] = {
    "object": "audio.classification", "model": "m", "duration": 30.0, "label": "happy",
    "confidence": 0.8, "labels": LABELS, "speech": True, "speech_duration": 20.0,
}  # fmt: skip
SEGMENT = {"start": 1.0, "end": 5.0, "label": "happy", "confidence": 0.8, "labels": LABELS}
TURNS = {
    "model": "m", "duration": 30.0, "speakers": [{"id": "A"}],
    "segments": [{"speaker": "A", "start": 1.0, "end": 5.0}],
}  # fmt: skip
REFUSED = {"error": {"message": "No.", "type": "invalid_request_error", "code": "not_found"}}


class Gateway:
    """Answers what is asked about recordings; `refuses` the paths that end so."""

    def __init__(self, *refuses: str) -> None:
        self.asked: list[str] = []
        self._refuses = refuses

    def __call__(self, request: httpx.Request) -> httpx.Response:
        path = request.url.path.rsplit("/", 1)[-1]
        streamed = b'name="stream"' in request.read()
        self.asked.append(f"{path} as a stream" if streamed else path)
        if path in self._refuses:
            return httpx.Response(404, json=REFUSED)
        if path == "diarization":
            return httpx.Response(200, json=TURNS)
        if not streamed:
            return httpx.Response(200, json=ANSWER)
        events = [
            {"type": "audio.classification.segment", **SEGMENT},
            {"type": "audio.classification.done", **ANSWER},
        ]
        told = "".join(f"data: {json.dumps(event)}\n\n" for event in events)
        return httpx.Response(
            200, text=f"{told}data: [DONE]\n\n", headers={"content-type": "text/event-stream"}
        )


async def heard(folder: Path, seconds: float, whole: bool, gateway: Gateway) -> Hearing:
    file = folder / "voice.wav"
    file.write_bytes(wav(tone(seconds)))
    hearing = Hearing()
    transport = httpx.MockTransport(gateway)
    async with AsyncOrfeon("http://gateway", "sk-orf-x", transport=transport) as orfeon:
        await hearing.listen(orfeon, file, whole)
    return hearing


async def test_a_short_recording_is_answered_at_once_without_a_timeline(tmp_path: Path) -> None:
    gateway = Gateway()
    html = shown(await heard(tmp_path, 2.0, False, gateway), True, T)
    assert gateway.asked == ["classifications"]
    assert "emotion-bars" in html
    assert "emotion-lanes" not in html


@pytest.mark.parametrize(("seconds", "whole"), [(LONG + 5, False), (2.0, True)])
async def test_a_long_one_or_who_asks_gets_a_timeline_with_speakers(
    tmp_path: Path, seconds: float, whole: bool
) -> None:
    gateway = Gateway()
    hearing = await heard(tmp_path, seconds, whole, gateway)
    assert sorted(gateway.asked) == ["classifications as a stream", "diarization"]
    html = shown(hearing, True, T)
    assert "Speaker A" in html
    assert "emotion-table" in html
    assert hearing.waveform.seconds == pytest.approx(seconds, abs=0.2)


async def test_without_speakers_the_rest_is_shown_and_says_so(tmp_path: Path) -> None:
    hearing = await heard(tmp_path, 2.0, True, Gateway("diarization"))
    html = shown(hearing, True, T)
    assert "could not be told apart" in html
    assert "emotion-bars" in html


async def test_a_refusal_is_raised(tmp_path: Path) -> None:
    for whole in (False, True):
        with pytest.raises(OrfeonError):
            await heard(tmp_path, 2.0, whole, Gateway("classifications"))


async def test_what_is_known_is_shown_before_all_is(tmp_path: Path) -> None:
    hearing = await heard(tmp_path, 2.0, True, Gateway())
    hearing.answer = None
    html = shown(hearing, False, T)
    assert "Heard up to 0:05" in html
    assert "emotion-lanes" in html
    assert "emotion-table" not in html
    assert "Stopped. Your recording has been deleted." in shown(hearing, True, T)
