from pathlib import Path

import pytest

from services.runtime.errors import InvalidRequest
from services.runtime.manifest import Manifest, read_manifest
from services.speech.__main__ import SPEECH
from services.speech.choices import language_of, language_of_voice, voice_of

OPENAI_VOICES = (
    "alloy", "ash", "ballad", "cedar", "coral", "echo", "fable", "marin", "nova", "onyx", "sage",
    "shimmer", "verse",
)  # fmt: skip


def manifest(name: str) -> Manifest:
    return read_manifest(SPEECH.models / name / "model.yaml")


PIPER = manifest("piper-en-us-joe-medium")
BASE = manifest("whisper-base")
TINY = manifest("whisper-tiny.en")


@pytest.mark.parametrize("name", ["", "joe", *OPENAI_VOICES])
def test_every_voice_of_openai_is_answered_with_ours(name: str) -> None:
    assert voice_of(PIPER, name) == "joe"


def test_an_unknown_voice_is_refused_with_those_there_are() -> None:
    with pytest.raises(InvalidRequest, match=r"'Joe'; use one of joe, alloy, ") as refused:
        voice_of(PIPER, "Joe")
    assert refused.value.param == "voice"


BARK = PIPER.model_copy(
    update={
        "languages": ["en", "es", "zh"],
        "voices": [f"v2/{code}_speaker_{at}" for code in ("en", "es", "zh") for at in range(10)],
    }
)


def test_of_many_voices_an_error_says_where_they_are_listed() -> None:
    with pytest.raises(InvalidRequest, match=r"GET /v1/audio/voices .* v2/en_speaker_0") as refused:
        voice_of(BARK, "v2/xx_speaker_0")
    assert len(refused.value.message) < 200


@pytest.mark.parametrize(
    ("model", "voice", "language"),
    [
        (BARK, "v2/es_speaker_3", "es"),
        (BARK, "zh_speaker_0", "zh"),
        (BARK, "v2/xx_speaker_0", "en"),
        (BARK, "announcer", "en"),
        (PIPER, "joe", "en-US"),
    ],
)
def test_a_preset_says_its_language(model: Manifest, voice: str, language: str) -> None:
    assert language_of_voice(model, voice) == language


@pytest.mark.parametrize(("name", "code"), [("", None), (" ", None), ("es", "es"), (" ES ", "es")])
def test_languages_are_codes_in_any_case(name: str, code: str | None) -> None:
    assert language_of(BASE, name) == code


@pytest.mark.parametrize("name", ["klingon", "english", "en-US", "xx", "e" * 5000])
def test_an_unknown_language_is_refused_with_advice(name: str) -> None:
    with pytest.raises(InvalidRequest, match="ISO 639-1") as refused:
        language_of(BASE, name)
    assert refused.value.param == "language"
    assert len(refused.value.message) < 200


def test_a_model_of_one_language_names_it() -> None:
    with pytest.raises(InvalidRequest, match="use en, or leave"):
        language_of(TINY, "es")


def test_each_task_has_one_default_model() -> None:
    models = [read_manifest(path) for path in sorted(Path(SPEECH.models).glob("*/model.yaml"))]
    for task in ("speech", "transcription", "translation"):
        assert len([model for model in models if model.default and task in model.tasks]) == 1
    assert {model.engine for model in models} <= set(SPEECH.engines)
    # Whisper's English-only models translate nothing.
    assert TINY.tasks == ["transcription"]
