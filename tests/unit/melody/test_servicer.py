"""Requests for music: what they leave out, and what is refused by name."""

import math
from typing import Any

import numpy as np
import pytest

from orfeon.api.melody.v1 import melody_pb2 as pb
from services.melody.engine import (
    MelodyRequest,
    Notation,
    Piece,
    Progress,
    Section,
    Sound,
    Started,
    Stem,
)
from services.melody.fake_engine import FakeMusician
from services.melody.requests import audible, format_of, genres_of, request_of, seconds_of
from services.melody.servicer import PART_BYTES, Answer
from services.runtime.errors import InvalidAudio, InvalidRequest, ModelLoadFailed
from services.runtime.manifest import Manifest
from services.runtime.worker import Cancellation


def model(**options: Any) -> Manifest:
    return Manifest(
        name="tiny", capability="melody", engine="symbolic", tasks=["music", "sound"],
        owned_by="orfeon", licence="Apache-2.0", memory_bytes=1, files={}, options=options,
    )  # fmt: skip


GENRES = {"rock": {"tempo": [100, 150], "drums": "rock"}, "ballad": {"tempo": [60, 80]}}
WRITER = model(genres=GENRES)


def values(request: MelodyRequest) -> dict[str, Any]:
    return {name: getattr(request, name) for name in MelodyRequest.__slots__}


def test_what_a_request_leaves_out_is_left_to_the_musician() -> None:
    asked = request_of(pb.ComposeConfig(), WRITER)
    assert values(asked) == values(MelodyRequest(asked.seed))
    assert asked.seed != request_of(pb.ComposeConfig(), WRITER).seed
    assert format_of(pb.ComposeConfig()) == "mp3"


def test_what_is_asked_for_reaches_the_musician() -> None:
    config = pb.ComposeConfig(
        task=pb.TASK_SOUND, genre="rock", mood="sad", prompt=" two\nwords ", duration_seconds=180,
        tempo=40, key="A# major", seed=0, temperature=0, top_k=5, top_p=0.5, guidance=10,
        sections=[pb.Section(kind="solo"), pb.Section(kind="verse", lines=[pb.Line(syllables=40)])],
        artifacts=[pb.ARTIFACT_KIND_MIDI, pb.ARTIFACT_KIND_SCORE], silent=True,
    )  # fmt: skip
    assert values(request_of(config, WRITER)) == values(
        MelodyRequest(
            0, "sound", "rock", "sad", "two words", 180, 40, "Bb major", 0, 5, 0.5, 10,
            (Section("solo"), Section("verse", (40,))),
            artifacts=frozenset({"midi", "score"}), silent=True,
        )
    )  # fmt: skip


def section(kind: str = "verse", *syllables: int) -> pb.Section:
    return pb.Section(kind=kind, lines=[pb.Line(syllables=count) for count in syllables])


@pytest.mark.parametrize(
    ("field", "value", "param"),
    [
        ("task", 9, "task"),
        ("duration_seconds", 0, "duration"),
        ("duration_seconds", 181, "duration"),
        ("duration_seconds", math.nan, "duration"),
        ("duration_seconds", math.inf, "duration"),
        ("tempo", 39.9, "tempo"),
        ("tempo", 241, "tempo"),
        ("tempo", math.nan, "tempo"),
        ("tempo", -120, "tempo"),
        ("key", "H major", "key"),
        ("key", "C", "key"),
        ("mood", "hungry", "mood"),
        ("genre", "polka", "genre"),
        ("genre", "g" * 41, "genre"),
        ("prompt", "x" * 1001, "prompt"),
        ("prompt", "bell \a", "prompt"),
        ("seed", -1, "seed"),
        ("temperature", -0.1, "temperature"),
        ("temperature", 2.1, "temperature"),
        ("temperature", math.nan, "temperature"),
        ("top_k", -1, "top_k"),
        ("top_p", 0, "top_p"),
        ("top_p", 1.1, "top_p"),
        ("top_p", math.nan, "top_p"),
        ("guidance", 10.5, "guidance"),
        ("guidance", math.nan, "guidance"),
        ("sections", [section()] * 33, "sections"),
        ("sections", [section("fugue")], "sections"),
        ("sections", [section("")], "sections"),
        ("sections", [section("verse", 8, 0)], "sections"),
        ("sections", [section("verse", 41)], "sections"),
        ("sections", [section("verse", *[8] * 10_000)], "sections"),
        ("artifacts", [0], "artifacts"),
        ("artifacts", [9], "artifacts"),
    ],
)
def test_a_value_out_of_range_is_refused_by_name(field: str, value: Any, param: str) -> None:
    with pytest.raises(InvalidRequest) as refused:
        request_of(pb.ComposeConfig(**{field: value}), WRITER)
    assert refused.value.param == param


def test_a_format_that_does_not_exist_is_refused_by_name() -> None:
    with pytest.raises(InvalidRequest) as refused:
        format_of(pb.ComposeConfig(format=9))  # type: ignore[arg-type]
    assert refused.value.param == "response_format"


def test_a_sound_without_a_description_is_refused() -> None:
    with pytest.raises(InvalidRequest) as refused:
        request_of(pb.ComposeConfig(task=pb.TASK_SOUND, prompt=" \n"), WRITER)
    assert refused.value.param == "prompt"


def test_an_unknown_genre_is_refused_with_those_there_are() -> None:
    with pytest.raises(InvalidRequest, match="ballad, rock"):
        request_of(pb.ComposeConfig(genre="polka"), WRITER)


def test_a_model_without_genres_takes_any_words_for_one() -> None:
    assert request_of(pb.ComposeConfig(genre="polka"), model()).genre == "polka"
    assert genres_of(model()) == ()


def test_genres_are_told_by_name_with_their_tempo() -> None:
    told = [(genre.name, genre.slowest, genre.fastest) for genre in genres_of(WRITER)]
    assert told == [("ballad", 60, 80), ("rock", 100, 150)]


@pytest.mark.parametrize("genres", [["rock"], {"rock": {}}, {"rock": {"tempo": [1]}}, {"rock": 3}])
def test_genres_written_wrongly_are_a_fault_of_the_model(genres: Any) -> None:
    with pytest.raises(ModelLoadFailed, match=r"options\.genres"):
        genres_of(model(genres=genres))


def test_a_piece_is_as_long_as_asked_or_as_its_lines_or_half_a_minute() -> None:
    def seconds(**config: Any) -> float:
        return seconds_of(request_of(pb.ComposeConfig(**config), WRITER))

    assert seconds() == seconds(sections=[section("intro")]) == 30
    assert seconds(duration_seconds=5, sections=[section("verse", 8)]) == 5
    assert seconds(sections=[section("verse", 8, 8, 8)]) == 12
    assert seconds(sections=[section("verse", *[8] * 64)]) == 180


def test_silence_and_a_blink_are_no_melody() -> None:
    tone = np.full(32_000, 0.01, np.float32)
    assert audible(tone) is tone
    for tune in (np.zeros(32_000, np.float32), tone[:10_000], tone * 0.01):
        with pytest.raises(InvalidAudio) as refused:
            audible(tune)
        assert refused.value.param == "file"


def messages(*pieces: Piece) -> list[pb.ComposeResponse]:
    answer = Answer("tiny", 7, "wav")
    sent = [message for piece in pieces for message in answer.messages(piece, Cancellation())]
    return [*sent, *answer.end(Cancellation())]


def test_large_files_go_in_parts_of_one_name() -> None:
    started, *parts, finished = messages(
        Started(1, 8000, 1), Notation("melody.mid", b"x" * 300_000)
    )
    assert (started.started.seed, started.started.model) == (7, "tiny")
    assert {part.artifact.name for part in parts} == {"melody.mid"}
    assert b"".join(part.artifact.data for part in parts) == b"x" * 300_000
    assert all(len(part.artifact.data) <= PART_BYTES for part in parts)
    assert finished.finished.duration_seconds == 1


def test_sound_and_parts_are_encoded_in_one_format() -> None:
    samples = np.zeros((8000, 2), np.float32)
    stems = [Stem("lead", samples[:5000]), Stem("lead", samples[5000:]), Stem("bass", samples)]
    sent = messages(Started(1, 8000, 2), Sound(samples), *stems, Progress(2.0))
    audio = b"".join(message.audio for message in sent)
    artifacts = [message.artifact for message in sent if message.HasField("artifact")]
    assert [artifact.name for artifact in artifacts] == ["stem-lead.wav", "stem-bass.wav"]
    assert artifacts[0].data == artifacts[1].data
    assert audio[:4] == artifacts[0].data[:4] == b"RIFF"
    assert len(audio) > 32_000 < len(artifacts[0].data)
    assert [m.progress.done for m in sent if m.HasField("progress")] == [1.0]


def test_the_fake_plays_as_long_as_it_says_and_the_same_again() -> None:
    def play(seed: int) -> list[Piece]:
        request = MelodyRequest(seed, seconds=1.5, artifacts=frozenset({"midi"}))
        return list(FakeMusician().compose(request, Cancellation()))

    def heard(pieces: list[Piece]) -> np.ndarray:
        return np.concatenate([piece.samples for piece in pieces if isinstance(piece, Sound)])

    started, *rest = play(7)
    assert isinstance(started, Started)
    assert heard(rest).shape == (round(started.seconds * started.rate), started.channels)
    assert np.array_equal(heard(rest), heard(play(7)))
    assert not np.array_equal(heard(rest), heard(play(8)))
