import math
from typing import Any

import pytest

from orfeon.api.speech.v1 import speech_pb2 as pb
from services.runtime.errors import InvalidRequest
from services.runtime.manifest import read_manifest
from services.speech.__main__ import SPEECH
from services.speech.engine import SpeechRequest
from services.speech.servicer import speech_request_of, task_of

PIPER = read_manifest(SPEECH.models / "piper-en-us-joe-medium" / "model.yaml")


def test_what_a_request_leaves_out_has_its_default() -> None:
    asked, file_format = speech_request_of(pb.SynthesizeRequest(input="Hello"), PIPER)
    assert asked == SpeechRequest("Hello", "joe", 1.0)
    assert file_format == "mp3"


@pytest.mark.parametrize("text", ["x", "ñ" * 4096, "🎶" * 4096])
def test_a_text_of_4096_characters_is_accepted(text: str) -> None:
    assert speech_request_of(pb.SynthesizeRequest(input=text), PIPER)[0].text == text


@pytest.mark.parametrize(
    ("field", "value", "param"),
    [
        ("input", "", "input"),
        ("input", "x" * 4097, "input"),
        ("speed", 0.2, "speed"),
        ("speed", 4.1, "speed"),
        ("speed", math.nan, "speed"),
        ("speed", math.inf, "speed"),
        ("voice", "nobody", "voice"),
        ("format", 99, "response_format"),
    ],
)
def test_a_value_out_of_range_is_refused_by_name(field: str, value: Any, param: str) -> None:
    fields = {"input": "Hello", field: value}
    with pytest.raises(InvalidRequest) as refused:
        speech_request_of(pb.SynthesizeRequest(**fields), PIPER)
    assert refused.value.param == param


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("temperature", -0.1),
        ("temperature", 1.1),
        ("temperature", math.nan),
        ("prompt", "x" * 4097),
        ("task", 99),
    ],
)
def test_a_transcription_out_of_range_is_refused_by_name(field: str, value: Any) -> None:
    with pytest.raises(InvalidRequest) as refused:
        task_of(pb.TranscribeConfig(**{field: value}))
    assert refused.value.param == field


def test_transcribing_is_the_task_unless_told() -> None:
    assert task_of(pb.TranscribeConfig()) == "transcription"
    assert task_of(pb.TranscribeConfig(task=pb.TASK_TRANSLATE)) == "translation"
