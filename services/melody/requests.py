"""Messages of the melody contract -> what a musician is asked, checked field by field."""

import secrets
import unicodedata
from typing import Any, get_args

import numpy as np
from numpy.typing import NDArray

from orfeon.api.melody.v1 import melody_pb2
from services.melody.engine import (
    MAX_SECONDS,
    MIN_SECONDS,
    TUNE_RATE,
    ArtifactKind,
    Genre,
    MelodyRequest,
    Section,
    SectionKind,
    Task,
)
from services.melody.keys import key_of, name_of
from services.melody.mood import MOODS
from services.runtime.encode import AudioFormat
from services.runtime.errors import InvalidAudio, InvalidRequest, ModelLoadFailed
from services.runtime.manifest import Manifest

MAX_PROMPT, MAX_WORD = 1000, 40
MAX_SECTIONS, MAX_LINES, MAX_SYLLABLES = 32, 64, 40
MIN_TEMPO, MAX_TEMPO = 40.0, 240.0
#: Shorter than this, and softer than this, nobody hears a melody.
SHORTEST_TUNE, SOFTEST_TUNE = 0.5, 1e-3
#: What nothing is said of, for estimates alone: the length of a piece and of a sung line, seconds.
TYPICAL_SECONDS, SECONDS_PER_LINE = 30.0, 4.0

#: Optional field -> lowest and highest value.
_RANGES: dict[str, tuple[float, float]] = {
    "temperature": (0.0, 2.0),
    "top_k": (0, 1 << 20),
    "top_p": (0.0, 1.0),
    "guidance": (0.0, 10.0),
}
_KINDS: tuple[SectionKind, ...] = get_args(SectionKind)

_TASKS: dict[int, Task] = {
    melody_pb2.TASK_UNSPECIFIED: "music",
    melody_pb2.TASK_MUSIC: "music",
    melody_pb2.TASK_SOUND: "sound",
}
_FORMATS: dict[int, AudioFormat] = {
    melody_pb2.AUDIO_FORMAT_UNSPECIFIED: "mp3",
    melody_pb2.AUDIO_FORMAT_MP3: "mp3",
    melody_pb2.AUDIO_FORMAT_WAV: "wav",
    melody_pb2.AUDIO_FORMAT_FLAC: "flac",
    melody_pb2.AUDIO_FORMAT_OGG: "ogg",
}
_ARTIFACTS: dict[int, ArtifactKind] = {
    melody_pb2.ARTIFACT_KIND_MIDI: "midi",
    melody_pb2.ARTIFACT_KIND_MUSICXML: "musicxml",
    melody_pb2.ARTIFACT_KIND_STEMS: "stems",
    melody_pb2.ARTIFACT_KIND_SCORE: "score",
}


def task_of(config: melody_pb2.ComposeConfig) -> Task:
    """What to make. Raises `InvalidRequest`."""
    if config.task not in _TASKS:
        raise InvalidRequest("task must be music or sound.", param="task")
    return _TASKS[config.task]


def format_of(config: melody_pb2.ComposeConfig) -> AudioFormat:
    """How to write the audio. Raises `InvalidRequest`."""
    if config.format not in _FORMATS:
        raise InvalidRequest(
            f"response_format must be one of {', '.join(sorted(set(_FORMATS.values())))}.",
            param="response_format",
        )
    return _FORMATS[config.format]


def request_of(config: melody_pb2.ComposeConfig, manifest: Manifest) -> MelodyRequest:
    """The piece that is asked for, less the tune to follow.

    Raises `InvalidRequest` naming the field at fault.
    """
    task = task_of(config)
    prompt = _text("prompt", config.prompt, MAX_PROMPT)
    if task == "sound" and not prompt:
        raise InvalidRequest("A sound needs a prompt that says what it is.", param="prompt")
    return MelodyRequest(
        seed=_seed(config),
        task=task,
        genre=_genre(config.genre, manifest),
        mood=_mood(config.mood),
        prompt=prompt,
        seconds=_seconds(config),
        tempo=_tempo(config.tempo),
        key=_key(config.key),
        sections=_sections(config),
        artifacts=_artifacts(config),
        silent=config.silent,
        **_sampling(config),
    )


def seconds_of(asked: MelodyRequest) -> float:
    """About how long the piece will be."""
    if asked.seconds is not None:
        return asked.seconds
    lines = sum(len(section.syllables) for section in asked.sections)
    return min(lines * SECONDS_PER_LINE, MAX_SECONDS) or TYPICAL_SECONDS


def audible(tune: NDArray[np.float32]) -> NDArray[np.float32]:
    """A recording to follow, which must not be silence. Raises `InvalidAudio`."""
    if tune.size < SHORTEST_TUNE * TUNE_RATE:
        raise InvalidAudio(
            f"The recording is shorter than {SHORTEST_TUNE:g} seconds; record a melody.",
            param="file",
        )
    if float(np.abs(tune).max()) < SOFTEST_TUNE:
        raise InvalidAudio(
            "The recording is silent; record a melody that can be heard.", param="file"
        )
    return tune


def genres_of(manifest: Manifest) -> tuple[Genre, ...]:
    """The genres that a model knows, by name; none where genres are words of the prompt.

    They stand in `options.genres`, as `name: {tempo: [slowest, fastest], ...}`. Raises
    `ModelLoadFailed` where they do not.
    """
    try:
        return tuple(
            Genre(name, *(float(tempo) for tempo in profile["tempo"]))
            for name, profile in sorted(manifest.options.get("genres", {}).items())
        )
    except (TypeError, KeyError, ValueError, AttributeError) as error:
        raise ModelLoadFailed(
            f"The model.yaml of {manifest.name} is wrong in options.genres."
        ) from error


def _seed(config: melody_pb2.ComposeConfig) -> int:
    if not config.HasField("seed"):
        return secrets.randbits(53)
    if config.seed < 0:
        raise InvalidRequest("seed must be 0 or more.", param="seed")
    return config.seed


def _genre(name: str, manifest: Manifest) -> str:
    name = _text("genre", name, MAX_WORD)
    known = [genre.name for genre in genres_of(manifest)]
    if name and known and name not in known:
        raise InvalidRequest(
            f"The model '{manifest.name}' knows no genre {name!r}; use one of {', '.join(known)}.",
            param="genre",
        )
    return name


def _mood(mood: str) -> str:
    if mood not in MOODS:
        known = ", ".join(filter(None, MOODS))
        raise InvalidRequest(f"mood must be one of {known}.", param="mood")
    return mood


def _seconds(config: melody_pb2.ComposeConfig) -> float | None:
    if not config.HasField("duration_seconds"):
        return None
    # `not (a <= x <= b)`, here and below: NaN fails every comparison.
    if not (MIN_SECONDS <= config.duration_seconds <= MAX_SECONDS):
        raise InvalidRequest(
            f"duration must be between {MIN_SECONDS:g} and {MAX_SECONDS:g} seconds.",
            param="duration",
        )
    return config.duration_seconds


def _tempo(tempo: float) -> float | None:
    if tempo == 0:
        return None
    if not (MIN_TEMPO <= tempo <= MAX_TEMPO):
        raise InvalidRequest(
            f"tempo must be between {MIN_TEMPO:g} and {MAX_TEMPO:g} quarter notes per minute.",
            param="tempo",
        )
    return tempo


def _key(key: str) -> str:
    return name_of(key_of(key)) if key else ""


def _sampling(config: melody_pb2.ComposeConfig) -> dict[str, Any]:
    chosen = {}
    for field, (low, high) in _RANGES.items():
        if not config.HasField(field):  # type: ignore[arg-type]
            continue
        value = chosen[field] = getattr(config, field)
        if not (low <= value <= high) or (field == "top_p" and value == 0):
            above = "over 0 and at most 1" if field == "top_p" else f"between {low:g} and {high:g}"
            raise InvalidRequest(f"{field} must be {above}.", param=field)
    return chosen


def _sections(config: melody_pb2.ComposeConfig) -> tuple[Section, ...]:
    if len(config.sections) > MAX_SECTIONS:
        raise InvalidRequest(f"At most {MAX_SECTIONS} sections.", param="sections")
    sections = []
    for section in config.sections:
        if section.kind not in _KINDS:
            raise InvalidRequest(f"A section must be one of {', '.join(_KINDS)}.", param="sections")
        if len(section.lines) > MAX_LINES:
            raise InvalidRequest(f"At most {MAX_LINES} lines in a section.", param="sections")
        syllables = tuple(line.syllables for line in section.lines)
        if any(not 1 <= count <= MAX_SYLLABLES for count in syllables):
            raise InvalidRequest(
                f"A line must have 1 to {MAX_SYLLABLES} syllables.", param="sections"
            )
        sections.append(Section(section.kind, syllables))
    return tuple(sections)


def _artifacts(config: melody_pb2.ComposeConfig) -> frozenset[ArtifactKind]:
    if unknown := set(config.artifacts) - _ARTIFACTS.keys():
        raise InvalidRequest(f"There is no artifact of kind {min(unknown)}.", param="artifacts")
    return frozenset(_ARTIFACTS[kind] for kind in config.artifacts)


def _text(field: str, text: str, most: int) -> str:
    if len(text) > most:
        raise InvalidRequest(
            f"{field} may have {most} characters, and has {len(text)}: shorten it.", param=field
        )
    joined = " ".join(text.split())
    if any(unicodedata.category(character) == "Cc" for character in joined):
        raise InvalidRequest(f"{field} holds control characters; remove them.", param=field)
    return joined
