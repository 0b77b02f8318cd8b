"""What the client gives back."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from os import PathLike
from pathlib import Path
from typing import Any, Required, TypedDict


class LyricsWish(TypedDict, total=False):
    """A song to write. What is left out is the genre's choice, or nobody's.

    `genre` is a model for the task `lyrics`; `style` an artist or a manner to write in; `mood` a
    label of emotion; `sections` kinds such as verse and chorus, of `lines` lines each. The first
    line is kept as it is. The same `seed` and wish give the same song; without, it is another.
    """

    genre: str
    title: str
    style: str
    theme: str
    mood: str
    language: str
    first_line: str
    sections: list[str]
    lines: int
    seed: int
    temperature: float
    top_p: float
    top_k: int
    priority: int


@dataclass(frozen=True, slots=True)
class LyricsLine:
    """A line of a song, and its syllables."""

    text: str
    syllables: int


@dataclass(frozen=True, slots=True)
class WrittenLine:
    """A line as it is written: `section` counts from 0, `kind` is that section's."""

    section: int
    kind: str
    text: str
    syllables: int


@dataclass(frozen=True, slots=True)
class LyricsSection:
    """A section of a song: intro, verse, pre-chorus, chorus, bridge or outro."""

    kind: str
    lines: tuple[LyricsLine, ...]


@dataclass(frozen=True, slots=True)
class Lyrics:
    """The lyrics of a song. The same `seed` and request give them again."""

    genre: str
    model: str
    language: str
    title: str | None
    seed: int
    sections: tuple[LyricsSection, ...]

    @property
    def text(self) -> str:
        """All of it: sections with a heading each, an empty line between them."""
        return "\n\n".join(
            "\n".join([f"[{section.kind.capitalize()}]", *(line.text for line in section.lines)])
            for section in self.sections
        )


class MelodySection(TypedDict, total=False):
    """A part of a piece: its `kind`, such as verse, and the syllables of its `lines`, if any."""

    kind: Required[str]
    lines: list[int]


class MelodyWish(TypedDict, total=False):
    """Music to make. What is left out is the genre's choice, or nobody's.

    `duration` is in seconds, 1 to 180, `tempo` in quarter notes per minute, `key` such as
    `A minor`; `sections` are the form, with a note for each syllable of their lines; `prompt` is
    for models that read words. `response_format` is mp3, wav, flac, ogg, midi, musicxml, or zip
    with everything. The same `seed` and wish give the same notes; without, others.
    """

    model: str
    genre: str
    mood: str
    prompt: str
    duration: float
    tempo: float
    key: str
    seed: int
    temperature: float
    top_k: int
    top_p: float
    guidance: float
    sections: list[MelodySection]
    response_format: str
    priority: int


@dataclass(frozen=True, slots=True)
class Melody:
    """A file of music, of `duration` seconds. The same `seed` and wish give its notes again.

    `tempo` and `key` are None where the model does not say.
    """

    content: bytes = field(repr=False)
    seed: int
    duration: float
    tempo: float | None = None
    key: str | None = None

    def write_to_file(self, path: str | PathLike[str]) -> None:
        """Writes the file. Raises `OSError`."""
        Path(path).write_bytes(self.content)


@dataclass(frozen=True, slots=True)
class MelodyGenre:
    """A genre of music, and its slowest and fastest tempo, quarter notes per minute."""

    id: str
    slowest: float
    fastest: float


@dataclass(frozen=True, slots=True)
class Voice:
    """A voice for speech synthesis; `id` is what a request's `voice` takes."""

    id: str
    model: str
    language: str


@dataclass(frozen=True, slots=True)
class Model:
    """A model, what it can do and where it is in its life.

    `state` is unloaded, waiting (for memory), loading, loaded, unloading, failed or unknown, and
    `progress` 0 to 1 while it is loading. In memory it takes `resident_bytes` on `device`, with
    `gpu_layers` of its layers on a GPU (-1 is all), and `in_use` requests are working with it. A
    profile shares the weights of its `base`, and is in memory as that one. A classifier says what
    it `classifies` by its `labels`. `commercial_use` is None where nobody has said whether licences
    allow it, and `provenance` what it was made of.
    Times are in Unix seconds: at `expires_at` it leaves memory if nobody asks for it before.
    """

    id: str
    created: int
    owned_by: str
    capability: str
    tasks: tuple[str, ...]
    aliases: tuple[str, ...]
    default: bool
    state: str
    resident_bytes: int
    context_length: int | None
    languages: tuple[str, ...]
    voices: tuple[str, ...]
    labels: tuple[str, ...]
    licence: str
    progress: float | None = None
    device: str | None = None
    gpu_layers: int = 0
    loaded_at: int | None = None
    in_use: int = 0
    expires_at: int | None = None
    pinned: bool = False
    base: str | None = None
    classifies: str | None = None
    commercial_use: bool | None = None
    provenance: str = ""


@dataclass(frozen=True, slots=True)
class QueueEntry:
    """A request that runs or waits.

    `state` is queued or running, and has been for `seconds`; `position` counts the requests that
    go before it as things are; `estimated_wait` is in seconds, None where nobody can tell.
    `key_id` is told to admin keys alone.
    """

    request_id: str
    model: str
    capability: str
    priority: int
    state: str
    seconds: float
    position: int
    estimated_wait: float | None
    key_id: str | None = None


@dataclass(frozen=True, slots=True)
class Usage:
    """What a key used of a capability in a day of UTC, written `2030-01-31`.

    `audio_seconds` are of recordings that were listened to and of music that was made.
    """

    day: str
    key_id: str
    capability: str
    requests: int
    tokens: int
    audio_seconds: float


@dataclass(frozen=True, slots=True)
class UsagePage:
    """Usage, the newest day first, and whether there is more than one answer holds."""

    data: list[Usage]
    has_more: bool


def lyrics(body: Mapping[str, Any]) -> Lyrics:
    """Reads the answer of `/v1/lyrics`."""
    sections = (
        LyricsSection(
            str(section["kind"]),
            tuple(LyricsLine(str(row["text"]), int(row["syllables"])) for row in section["lines"]),
        )
        for section in body["sections"]
    )
    return Lyrics(
        genre=body["genre"],
        model=body["model"],
        language=body["language"],
        title=body["title"],
        seed=body["seed"],
        sections=tuple(sections),
    )


def melody(content: bytes, headers: Mapping[str, str]) -> Melody:
    """Reads the answer of `/v1/melodies`."""
    tempo = headers.get("x-melody-tempo")
    return Melody(
        content,
        seed=int(headers["x-melody-seed"]),
        duration=float(headers["x-melody-duration"]),
        tempo=None if tempo is None else float(tempo),
        key=headers.get("x-melody-key"),
    )


def melody_genres(body: Mapping[str, Any]) -> list[MelodyGenre]:
    """Reads the answer of `/v1/melodies/genres`."""
    return [MelodyGenre(row["id"], row["slowest"], row["fastest"]) for row in body["data"]]


def voices(body: Mapping[str, Any]) -> list[Voice]:
    """Reads the answer of `/v1/audio/voices`."""
    return [Voice(row["id"], row["model"], row.get("language", "")) for row in body["data"]]


def models(body: Mapping[str, Any]) -> list[Model]:
    """Reads the answer of `/v1/models`. What an older gateway does not say is left empty."""
    return [model(row) for row in body["data"]]


def queue(body: Mapping[str, Any]) -> list[QueueEntry]:
    """Reads the answer of `/v1/queue`."""
    return [
        QueueEntry(
            request_id=row["request_id"],
            model=row["model"],
            capability=row["capability"],
            priority=row["priority"],
            state=row["state"],
            seconds=float(row["seconds"]),
            position=row["position"],
            estimated_wait=row["estimated_wait_seconds"],
            key_id=row.get("key_id"),
        )
        for row in body["data"]
    ]


def usage(body: Mapping[str, Any]) -> UsagePage:
    """Reads the answer of `/v1/usage`."""
    rows = [
        Usage(
            day=row["day"],
            key_id=row["key_id"],
            capability=row["capability"],
            requests=row["requests"],
            tokens=row["tokens"],
            audio_seconds=float(row["audio_seconds"]),
        )
        for row in body["data"]
    ]
    return UsagePage(rows, body["has_more"])


def model(row: Mapping[str, Any]) -> Model:
    """Reads one model. What an older gateway does not say is left empty."""
    does: Mapping[str, Any] = row.get("capabilities", {})
    return Model(
        id=row["id"],
        created=row["created"],
        owned_by=row["owned_by"],
        capability=does.get("capability", ""),
        tasks=tuple(does.get("tasks", ())),
        aliases=tuple(does.get("aliases", ())),
        default=does.get("default", False),
        state=does.get("state", "unknown"),
        resident_bytes=does.get("resident_bytes", 0),
        context_length=does.get("context_length"),
        languages=tuple(does.get("languages", ())),
        voices=tuple(does.get("voices", ())),
        labels=tuple(does.get("labels", ())),
        licence=does.get("licence", ""),
        progress=does.get("progress"),
        device=does.get("device"),
        gpu_layers=does.get("gpu_layers", 0),
        loaded_at=does.get("loaded_at"),
        in_use=does.get("in_use", 0),
        expires_at=does.get("expires_at"),
        pinned=does.get("pinned", False),
        base=does.get("base"),
        classifies=does.get("classifies"),
        commercial_use=does.get("commercial_use"),
        provenance=does.get("provenance", ""),
    )
