"""What a model is trained on: passages of songs as tokens, in files that are read where needed."""

import hashlib
import json
from array import array
from collections.abc import Iterable, Iterator
from itertools import accumulate
from pathlib import Path
from typing import IO, NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray

from services.lyrics.genre import Genre
from services.lyrics.prompt import Tokeniser, opening
from services.lyrics.song import Wish
from services.lyrics.training.errors import TrainingError
from services.lyrics.training.songs import Song

PARTS = ("train", "held-out")
#: One song of so many is held out.
HELD_OUT = 10
#: Tokens of lyrics that a passage must have room for beside its prompt.
LEAST_ROOM = 16
#: Characters of a title or an artist that a prompt tells.
_LONGEST_NAME = 60
_COUNTS = "songs.json"


class Reader(Tokeniser, Protocol):
    """The tokeniser of a base."""

    @property
    def end(self) -> int:
        """The token that ends a song."""

    def lengths(self, lines: list[str]) -> list[int]:
        """How many tokens each line has."""


class Passage(NamedTuple):
    """Token ids, of which the first `prompt` are read and the others learned."""

    tokens: NDArray[np.uint32]
    prompt: int


class Passages:
    """The passages of one part, as `write` left them in `folder`."""

    def __init__(self, folder: Path, part: str) -> None:
        self._bounds = np.load(folder / f"{part}.npy", mmap_mode="r")
        self._tokens = np.memmap(folder / f"{part}.tokens", np.uint32, "r")

    def __len__(self) -> int:
        return len(self._bounds) - 1

    def __getitem__(self, at: int) -> Passage:
        start, prompt = self._bounds[at]
        return Passage(self._tokens[start : self._bounds[at + 1, 0]], int(prompt))


def spread(of: Passages | list[Passage], wanted: int) -> list[Passage]:
    """`wanted` passages at equal distances; all of them for 0."""
    count = len(of)
    taken = wanted if 0 < wanted < count else count
    return [of[at * count // taken] for at in range(taken)]


def write(
    folder: Path,
    songs: Iterable[Song],
    reader: Reader,
    genre: Genre,
    *,
    language: str,
    length: int,
) -> None:
    """Makes passages of at most `length` tokens of all songs.

    Every tenth song is held out. A song that has the same lyrics as an earlier one is left out.
    What is known of a song is told to some: title and artist, either or neither, in turns. Raises
    `TrainingError`.
    """
    folder.mkdir(parents=True, exist_ok=True)
    seen: set[bytes] = set()
    number_of = [0, 0]
    parts = [_Part(folder / f"{name}.tokens") for name in PARTS]
    try:
        for song in songs:
            digest = hashlib.blake2b(song.lyrics.casefold().encode(), digest_size=8).digest()
            if digest in seen:
                continue
            number = len(seen)
            seen.add(digest)
            held_out = number % HELD_OUT == HELD_OUT - 1
            number_of[held_out] += 1
            for prompt, passage in passages(
                song, number, reader, genre, language=language, length=length
            ):
                parts[held_out].append(prompt, passage)
    finally:
        for part in parts:
            part.close()
    if not number_of[1]:
        raise TrainingError(
            f"There are {len(seen)} different songs; it takes {HELD_OUT} at least, of which one "
            "is held out."
        )
    for part, name in zip(parts, PARTS, strict=True):
        np.save(folder / f"{name}.npy", part.bounds())
    # Last, and so a sign that everything is there.
    (folder / _COUNTS).write_text(json.dumps(number_of), "utf-8")


def counts(folder: Path) -> tuple[int, int] | None:
    """How many songs each part has; None where `write` has not ended."""
    path = folder / _COUNTS
    if not path.exists():
        return None
    trained, held_out = json.loads(path.read_text("utf-8"))
    return trained, held_out


def passages(
    song: Song, number: int, reader: Reader, genre: Genre, *, language: str, length: int
) -> Iterator[tuple[list[int], list[int]]]:
    """Prompt and continuation of each passage of a song, as the service asks for it.

    A passage is whole lines; one from the middle of a section begins with them.
    """
    title = song.title[:_LONGEST_NAME] if number % 2 == 0 else ""
    artist = song.artist[:_LONGEST_NAME] if number // 2 % 2 == 0 else ""
    wish = Wish(genre.sections, genre.lines, language, title=title, style=artist)
    prompt = [*opening(reader, genre, wish).tokens]
    room = length - len(prompt) - 1
    if room < LEAST_ROOM:
        raise TrainingError(
            f"A prompt alone takes {len(prompt)} tokens; with a length of "
            f"{len(prompt) + _LONGEST_NAME + LEAST_ROOM} there is room for lyrics."
        )
    text = f"{title}\n\n{song.lyrics}\n" if title else f"{song.lyrics}\n"
    lines = text.splitlines(keepends=True)
    lengths = reader.lengths(lines)
    while lines:
        taken = _fitting(lengths, room)
        tokens = [*reader.text("".join(lines[:taken])).tokens[:room]]
        lines, lengths = lines[taken:], lengths[taken:]
        # An ended song ends with its token; a passage that is cut off goes on.
        yield prompt, tokens if lines else [*tokens, reader.end]


def _fitting(lengths: list[int], room: int) -> int:
    """How many lines fit, one at least."""
    within = sum(used <= room for used in accumulate(lengths))
    return max(1, within)


class _Part:
    """Passages on their way into a file; only where they begin is in memory."""

    def __init__(self, path: Path) -> None:
        self._file: IO[bytes] = path.open("wb")
        self._starts = array("q")
        self._written = 0

    def append(self, prompt: list[int], passage: list[int]) -> None:
        tokens = np.array([*prompt, *passage], np.uint32)
        self._starts.extend((self._written, len(prompt)))
        self._written += len(tokens)
        self._file.write(tokens.tobytes())

    def bounds(self) -> NDArray[np.int64]:
        """Of each passage, where it begins and how long its prompt is; last, where all ends."""
        pairs = np.array(self._starts, np.int64).reshape(-1, 2)
        return np.concatenate([pairs, [[self._written, 0]]])

    def close(self) -> None:
        self._file.close()
