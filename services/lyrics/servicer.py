"""The lyrics contract: messages of the protocol <-> a song and its lines."""

import secrets
import unicodedata
from collections.abc import AsyncIterator
from contextlib import aclosing

import grpc

from orfeon.api.lyrics.v1 import lyrics_pb2, lyrics_pb2_grpc
from services.lyrics.genre import Genre, genre_of
from services.lyrics.song import MOODS, Ended, Line, Wish
from services.lyrics.writer import Writer
from services.runtime.context import context_of
from services.runtime.errors import InvalidRequest, ModelNotFound
from services.runtime.host import ModelHost
from services.runtime.llama.generation import LanguageModel
from services.runtime.manifest import Manifest
from services.runtime.sections import KIND_NAMES, KIND_NUMBERS, Kind

MAX_SECTIONS, MAX_LINES = 16, 16
#: Characters of a text field.
MAX_TEXT = 200
_TEXTS = ("title", "style", "theme", "first_line")
#: Field -> lowest and highest value.
_RANGES = {"temperature": (0.0, 2.0), "top_p": (0.0, 1.0), "top_k": (0, 1 << 20)}
#: For estimates alone: tokens of a line.
_TYPICAL_LINE = 10


class LyricsServicer(lyrics_pb2_grpc.LyricsServiceServicer):
    """Writes songs with the genres of a host."""

    def __init__(self, host: ModelHost[LanguageModel]) -> None:
        self._host = host

    async def WriteLyrics(
        self,
        request: lyrics_pb2.WriteLyricsRequest,
        context: grpc.aio.ServicerContext[
            lyrics_pb2.WriteLyricsRequest, lyrics_pb2.WriteLyricsResponse
        ],
    ) -> AsyncIterator[lyrics_pb2.WriteLyricsResponse]:
        """Gives the song line by line."""
        manifest = self._genre(request.genre)
        genre = genre_of(manifest)
        wish = wish_of(request, manifest, genre)
        seed = request.seed if request.HasField("seed") else secrets.randbits(53)
        cost = len(wish.sections) * wish.lines * genre.candidates * _TYPICAL_LINE
        async with self._host.lease(
            context_of(context), manifest.name, task="lyrics", cost=cost
        ) as leased:
            writer = Writer(
                leased.model,
                genre,
                wish,
                seed=seed,
                level=leased.turn.ticket.priority,
                adapter=manifest.adapter,
                sampling={n: getattr(request, n) for n in _RANGES if request.HasField(n)},  # type: ignore[arg-type]
            )
            started = lyrics_pb2.Started(
                genre=manifest.name,
                model=self._host.registry.weights(manifest).name,
                language=wish.language,
                seed=seed,
            )
            begun = False
            async with aclosing(writer.song()) as song:
                async for piece in song:
                    # Not before the first line: what refuses the song refuses it whole.
                    if not begun:
                        begun = True
                        yield lyrics_pb2.WriteLyricsResponse(started=started)
                    if isinstance(piece, Ended):
                        leased.spent(piece.prompt_tokens + piece.completion_tokens)
                    yield _message(piece)

    def _genre(self, name: str) -> Manifest:
        try:
            return self._host.registry.resolve(name, "lyrics")
        except (ModelNotFound, InvalidRequest):
            names = sorted(m.name for m in self._host.registry.list() if "lyrics" in m.tasks)
            raise ModelNotFound(
                f"There is no genre '{name[:40]}' here; there are: {', '.join(names)}.",
                param="genre",
            ) from None


def wish_of(request: lyrics_pb2.WriteLyricsRequest, manifest: Manifest, genre: Genre) -> Wish:
    """The song that is asked for. Raises `InvalidRequest` naming the field at fault."""
    texts = {name: _text(name, getattr(request, name)) for name in _TEXTS}
    for field, (low, high) in _RANGES.items():
        # `not (a <= x <= b)` rather than `x < a or x > b`: NaN fails every comparison.
        if request.HasField(field) and not (low <= getattr(request, field) <= high):  # type: ignore[arg-type]
            raise InvalidRequest(f"{field} must be between {low} and {high}.", param=field)
    if request.mood and request.mood not in MOODS:
        raise InvalidRequest(f"mood must be one of {', '.join(MOODS)}.", param="mood")
    if not 0 <= request.lines <= MAX_LINES:
        raise InvalidRequest(f"lines must be between 1 and {MAX_LINES}.", param="lines")
    return Wish(
        sections=_sections(request) or genre.sections,
        lines=request.lines or genre.lines,
        language=_language(request.language, manifest),
        mood=request.mood,
        **texts,
    )


def _text(field: str, text: str) -> str:
    if len(text) > MAX_TEXT:
        raise InvalidRequest(
            f"{field} may have {MAX_TEXT} characters, and has {len(text)}: shorten it.", param=field
        )
    # Line breaks are among them: what is one line must stay one.
    if any(unicodedata.category(character) in ("Cc", "Zl", "Zp") for character in text):
        raise InvalidRequest(
            f"{field} holds control characters or line breaks; remove them.", param=field
        )
    if field == "first_line":
        if text and not text.strip():
            raise InvalidRequest("first_line holds no words; leave it out.", param=field)
        return text
    return text.strip()


def _sections(request: lyrics_pb2.WriteLyricsRequest) -> tuple[Kind, ...]:
    if len(request.sections) > MAX_SECTIONS:
        raise InvalidRequest(f"At most {MAX_SECTIONS} sections.", param="sections")
    for number in request.sections:
        if number not in KIND_NAMES:
            raise InvalidRequest(
                f"A section must be one of {', '.join(KIND_NUMBERS)}.", param="sections"
            )
    return tuple(KIND_NAMES[number] for number in request.sections)


def _language(asked: str, manifest: Manifest) -> str:
    """A language of the genre: the one asked for, regions aside, or its first."""
    known = manifest.languages or ["en"]
    if not asked:
        return known[0]
    main = asked.partition("-")[0].lower()
    for language in known:
        if language.partition("-")[0].lower() == main:
            return language
    raise InvalidRequest(
        f"The genre {manifest.name} is written in {' or '.join(known)}; ask for that, or for "
        "another genre.",
        param="language",
    )


def _message(piece: Line | Ended) -> lyrics_pb2.WriteLyricsResponse:
    if isinstance(piece, Ended):
        finished = lyrics_pb2.Finished(
            prompt_tokens=piece.prompt_tokens, completion_tokens=piece.completion_tokens
        )
        return lyrics_pb2.WriteLyricsResponse(finished=finished)
    line = lyrics_pb2.Line(
        section=piece.section,
        kind=KIND_NUMBERS[piece.kind],
        text=piece.text,
        syllables=piece.syllables,
    )
    return lyrics_pb2.WriteLyricsResponse(line=line)
