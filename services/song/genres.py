"""What the services know: the genres that songs can be made in, and the languages of each."""

import asyncio
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, replace

from orfeon.api.melody.v1 import melody_pb2
from orfeon.api.models.v1 import models_pb2
from services.runtime.connection import answer
from services.runtime.errors import InvalidRequest, OrfeonError
from services.song.length import check_length
from services.song.upstreams import Patience, Upstreams
from services.song.wish import Wish

#: Seconds after which the services are asked again.
_FRESH = 30.0
#: Seconds that they may take to answer.
_QUICK = 5.0
#: Seconds that the first caller waits for them; the next ones find what it was told.
_PATIENCE = 20.0


@dataclass(frozen=True, slots=True)
class Genres:
    """Genres that both words and music can be written in.

    By genre: the languages of the words, and the fastest tempo, in quarter notes per minute. Of a
    composer that takes any word for a genre no tempo is known; it writes no notes to sing on.
    """

    languages: Mapping[str, tuple[str, ...]]
    fastest: Mapping[str, float]
    default: str

    def applied(self, wish: Wish) -> Wish:
        """The wish with its genre settled. Raises `InvalidRequest` for what nobody could make."""
        genre = wish.genre or self.default
        known = sorted(self.languages)
        if genre not in self.languages:
            raise InvalidRequest(
                f"There is no genre '{genre[:40]}' of songs here; there are: {', '.join(known)}.",
                param="genre",
            )
        written = self.languages[genre]
        if wish.language and not wish.lyrics and _main(wish.language) not in map(_main, written):
            raise InvalidRequest(
                f"The genre {genre} is written in {' or '.join(written)}; ask for that, or for "
                "another genre.",
                param="language",
            )
        if not self.fastest:
            return replace(wish, genre=genre, instrumental=True)
        check_length(wish, self.fastest[genre])
        return replace(wish, genre=genre)


class KnownGenres:
    """Asks the services what they know, and remembers it while they are away."""

    def __init__(
        self, upstreams: Upstreams, melody_model: str, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._upstreams = upstreams
        self._model = melody_model
        self._clock = clock
        self._known: Genres | None = None
        self._asked = 0.0

    async def now(self) -> Genres:
        """What is known. Raises `OrfeonError` where nothing is, and a service stays away."""
        if self._known is None:
            self._known = await Patience(_PATIENCE).until_done("genres", self._ask)
            self._asked = self._clock()
        elif self._clock() - self._asked > _FRESH:
            with suppress(OrfeonError):
                self._known = await self._ask()
            self._asked = self._clock()
        return self._known

    async def _ask(self) -> Genres:
        melody, lyrics = await asyncio.gather(
            answer(
                self._upstreams.melody.ListGenres(
                    melody_pb2.ListGenresRequest(model=self._model), timeout=_QUICK
                )
            ),
            answer(
                self._upstreams.genres.ListModels(models_pb2.ListModelsRequest(), timeout=_QUICK)
            ),
        )
        played = {genre.name: genre.fastest for genre in melody.genres}
        written = [model for model in lyrics.models if "lyrics" in model.tasks]
        both = {
            m.id: tuple(m.languages) or ("en",) for m in written if m.id in played or not played
        }
        default = next((m.id for m in written if m.is_default and m.id in both), None)
        return Genres(both, played, default or min(both, default=""))


def _main(language: str) -> str:
    return language.partition("-")[0].lower()
