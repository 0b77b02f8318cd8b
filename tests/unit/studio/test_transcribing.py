from typing import Any

from services.studio.subtitles import Said
from services.studio.transcribing import Transcript, Wish

HAPPY = {"label": "happy", "confidence": 0.75, "labels": []}


def test_a_wish_becomes_fields_of_the_request() -> None:
    plain = {"response_format": "verbose_json", "stream": True}
    assert Wish(feelings=False).fields() == plain
    assert Wish("es").fields() == {**plain, "language": "es", "include": ["emotion"]}


def test_whoever_translates_finds_out_about_the_language_alone() -> None:
    assert "language" not in Wish("es", translate=True).fields()


def test_segments_are_there_as_they_come_and_feelings_at_the_end() -> None:
    transcript = Transcript()
    segment: dict[str, Any] = {"id": 0, "start": 0.5, "end": 2, "text": " Hi."}
    transcript.take({"type": "transcript.text.delta", "delta": "Hi."})
    assert transcript.segments == []
    transcript.take({"type": "transcript.text.segment", **segment})
    assert transcript.segments == [Said(0.5, 2, " Hi.")]
    assert not transcript.done
    transcript.take(
        {
            "type": "transcript.text.done",
            "language": "english",
            "duration": 2.5,
            "segments": [{**segment, "emotion": HAPPY}, {**segment, "emotion": None}],
        }
    )
    assert transcript.segments == [Said(0.5, 2, " Hi.", "happy", 0.75), Said(0.5, 2, " Hi.")]
    assert (transcript.language, transcript.duration, transcript.done) == ("english", 2.5, True)
