"""What songs can be made in: what both services know, remembered while they are away."""

from typing import Any

import pytest

from orfeon.api.melody.v1 import melody_pb2
from orfeon.api.models.v1 import models_pb2
from services.runtime.errors import InvalidRequest, ServiceUnavailable
from services.song.genres import KnownGenres
from services.song.wish import Section, Wish
from tests.fakes.clock import FakeClock


class Services:
    """The lyrics and the melody service, as far as they are asked for genres."""

    def __init__(self) -> None:
        self.away = False
        self.asked = 0
        self.played = ["pop", "rock", "jazz"]

    @property
    def melody(self) -> Any:
        return self

    @property
    def genres(self) -> Any:
        return self

    def ListGenres(self, request: Any, timeout: float) -> Any:
        genres = [melody_pb2.Genre(name=name, slowest=80, fastest=120) for name in self.played]
        return self._answer(melody_pb2.ListGenresResponse(genres=genres))

    def ListModels(self, request: Any, timeout: float) -> Any:
        models = [
            models_pb2.Model(id="rap", tasks=["lyrics"]),
            models_pb2.Model(id="rock", tasks=["lyrics"], languages=["en", "es-MX"]),
            models_pb2.Model(id="pop", tasks=["lyrics"], is_default=True),
            models_pb2.Model(id="jazz", tasks=["text"]),
        ]
        return self._answer(models_pb2.ListModelsResponse(models=models))

    def _answer(self, message: Any) -> Any:
        services = self

        class Call:
            def __await__(self) -> Any:
                services.asked += 1
                if services.away:
                    raise ServiceUnavailable("Away.")
                return message
                yield

            def cancel(self) -> None:
                pass

        return Call()


@pytest.fixture
def services() -> Services:
    return Services()


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()


@pytest.fixture
def known(services: Services, clock: FakeClock) -> KnownGenres:
    return KnownGenres(services, "", clock)  # type: ignore[arg-type]


async def test_a_genre_must_be_one_of_both(known: KnownGenres) -> None:
    genres = await known.now()
    assert set(genres.languages) == {"pop", "rock"}
    assert genres.applied(Wish()).genre == "pop"
    assert genres.applied(Wish(genre="rock")).genre == "rock"
    for name in ("rap", "jazz", "polka"):
        with pytest.raises(InvalidRequest, match=r"there are: pop, rock\.$") as refused:
            genres.applied(Wish(genre=name))
        assert refused.value.param == "genre"


async def test_a_language_is_one_of_the_genres_but_for_given_lyrics(known: KnownGenres) -> None:
    genres = await known.now()
    assert genres.applied(Wish(genre="rock", language="es")).language == "es"
    with pytest.raises(InvalidRequest) as refused:
        genres.applied(Wish(genre="rock", language="fr"))
    assert refused.value.param == "language"
    given = (Section("verse", ("Bonjour",)),)
    assert genres.applied(Wish(genre="rock", language="fr", lyrics=given)).language == "fr"


async def test_what_is_known_is_kept_while_a_service_is_away(
    known: KnownGenres, services: Services, clock: FakeClock
) -> None:
    first = await known.now()
    assert await known.now() is first
    assert services.asked == 2
    services.away = True
    clock.advance(100)
    assert await known.now() is first
    services.away = False
    services.played = ["pop"]
    clock.advance(100)
    assert set((await known.now()).languages) == {"pop"}
