"""What an application developer does first, with the official client."""

import io
import json
import re
import time
from pathlib import Path

import openai
import pytest

from tests.e2e.conftest import Product
from tests.words import word_error_rate

SENTENCE = (
    "Good morning everyone. The weather today will be warm and sunny, with a light wind from the "
    "west in the afternoon."
)
FLEURS = Path(__file__).resolve().parents[3] / "shared" / "data" / "speech" / "fleurs"


@pytest.fixture(scope="module")
def spoken(product: Product) -> bytes:
    """The sentence as an mp3 file."""
    answer = product.client().audio.speech.create(model="tts-1", voice="alloy", input=SENTENCE)
    assert answer.response.headers["content-type"] == "audio/mpeg"
    return answer.read()


def named(data: bytes, name: str = "speech.mp3") -> tuple[str, io.BytesIO]:
    return name, io.BytesIO(data)


def test_a_chat_answer_streams(product: Product) -> None:
    chunks = list(
        product.client().chat.completions.create(
            model="smollm2-135m-instruct",
            messages=[{"role": "user", "content": "What is 2+2?"}],
            temperature=0,
            max_tokens=30,
            stream=True,
            stream_options={"include_usage": True},
        )
    )
    assert "4" in "".join(c.choices[0].delta.content or "" for c in chunks if c.choices)
    assert len(chunks) > 5
    assert len({chunk.id for chunk in chunks}) == 1
    assert chunks[0].choices[0].delta.role == "assistant"
    assert chunks[-2].choices[0].finish_reason == "stop"
    assert chunks[-1].choices == []
    assert chunks[-1].usage is not None
    assert chunks[-1].usage.total_tokens > 10


def test_a_chat_answer_comes_whole(product: Product) -> None:
    answer = product.client().chat.completions.create(
        model="smollm2-135m-instruct",
        messages=[
            {"role": "system", "content": "You are brief."},
            {"role": "user", "content": [{"type": "text", "text": "What is 2+2?"}]},
        ],
        max_completion_tokens=20,
        seed=1,
    )
    assert answer.choices[0].message.content
    assert answer.usage is not None
    assert answer.usage.completion_tokens <= 20


def test_a_json_object_is_json(product: Product) -> None:
    answer = product.client().chat.completions.create(
        model="smollm2-135m-instruct",
        messages=[{"role": "user", "content": "List one fruit as JSON."}],
        response_format={"type": "json_object"},
        temperature=0,
    )
    assert isinstance(json.loads(answer.choices[0].message.content or ""), dict)


@pytest.mark.parametrize("audio_format", ["mp3", "opus", "aac", "flac", "wav"])
def test_a_sentence_spoken_is_heard_again(product: Product, audio_format: str) -> None:
    client = product.client()
    speech = client.audio.speech.create(
        model="tts-1",
        voice="joe",
        input=SENTENCE,
        response_format=audio_format,  # type: ignore[arg-type]
    )
    heard = client.audio.transcriptions.create(
        model="whisper-1", file=named(speech.read(), f"speech.{audio_format}")
    )
    assert word_error_rate(SENTENCE, heard.text) < 0.2


def test_a_transcript_comes_as_text_srt_and_vtt(product: Product, spoken: bytes) -> None:
    client = product.client()

    def transcript(response_format: str) -> str:
        answer = client.audio.transcriptions.create(
            model="whisper-1",
            file=named(spoken),
            response_format=response_format,  # type: ignore[call-overload]
        )
        return str(answer)

    assert word_error_rate(SENTENCE, transcript("text")) < 0.2
    assert re.match(r"1\n00:00:00,\d{3} --> 00:00:0\d,\d{3}\n\S", transcript("srt"))
    assert re.match(r"WEBVTT\n\n00:00:00\.\d{3} --> 00:00:0\d\.\d{3}\n\S", transcript("vtt"))


def test_verbose_json_has_segments_and_words_with_times(product: Product, spoken: bytes) -> None:
    answer = product.client().audio.transcriptions.create(
        model="whisper-1",
        file=named(spoken),
        response_format="verbose_json",
        timestamp_granularities=["word", "segment"],
    )
    assert answer.language == "english"
    assert 4 < float(answer.duration) < 10
    assert answer.segments
    assert answer.words
    assert word_error_rate(SENTENCE, " ".join(word.word for word in answer.words)) < 0.2
    times = [moment for word in answer.words for moment in (word.start, word.end)]
    assert times == sorted(times)
    assert times[-1] <= float(answer.duration) + 0.1


def test_a_transcript_streams_as_events(product: Product, spoken: bytes) -> None:
    events = list(
        product.client().audio.transcriptions.create(
            model="whisper-1", file=named(spoken), stream=True
        )
    )
    assert events[-1].type == "transcript.text.done"
    deltas = "".join(e.delta for e in events if e.type == "transcript.text.delta")
    assert deltas.strip() == events[-1].text.strip()


# The client deprecates some combinations of the route's own parameters.
@pytest.mark.filterwarnings("ignore:deprecated:DeprecationWarning")
@pytest.mark.skipif(not FLEURS.is_dir(), reason="needs the FLEURS clips beside the repository")
def test_a_clip_in_another_language_becomes_english(product: Product) -> None:
    # Whisper base is a poor translator, but English it must be.
    clip = sorted(FLEURS.glob("*es*.ogg"))[0]
    with clip.open("rb") as file:
        answer = product.client().audio.translations.create(
            model="whisper-1", file=file, response_format="verbose_json"
        )
    assert answer.language == "english"
    words = re.findall(r"[a-z]+", answer.text.lower())
    assert len({"the", "of", "and", "to", "in", "a", "is", "that"} & set(words)) >= 2


def test_models_and_voices_are_listed(product: Product) -> None:
    client = product.client()
    models = {model.id for model in client.models.list()}
    assert {"smollm2-135m-instruct", "whisper-base", "emotion-whisper-tiny"} <= models
    assert client.models.retrieve("whisper-1").object == "model"
    with product.http() as http:
        assert "joe" in http.get("/v1/audio/voices").text


def test_a_key_with_a_floor_cannot_go_below_it(product: Product) -> None:
    _, key = product.new_key("slow", "--priority-floor", "1")
    chat = product.client(key).chat.completions.with_raw_response.create(
        model="smollm2-135m-instruct",
        messages=[{"role": "user", "content": "Hi"}],
        max_tokens=2,
        extra_body={"priority": 0},
    )
    assert chat.headers["x-request-priority"] == "1"


def test_a_revoked_key_is_refused_within_seconds(product: Product) -> None:
    key_id, key = product.new_key("brief")
    client = product.client(key)
    client.models.list()
    assert product.orfeon("keys", "revoke", key_id).returncode == 0
    end = time.monotonic() + 10
    with pytest.raises(openai.AuthenticationError):  # noqa: PT012 (it takes a second)
        while time.monotonic() < end:
            client.models.list()
            time.sleep(0.1)
