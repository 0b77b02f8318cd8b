from dataclasses import dataclass, field

import pytest

from gateway.catalog import Catalog, public
from orfeon.api.models.v1 import models_pb2
from services.runtime.errors import ModelNotFound, ServiceUnavailable
from tests.fakes.clock import FakeClock


@dataclass
class Source:
    lists: dict[str, list[str]]
    down: set[str] = field(default_factory=set)
    asked: int = 0

    @property
    def capabilities(self) -> tuple[str, ...]:
        return tuple(self.lists)

    async def models(self, capability: str) -> list[models_pb2.Model]:
        self.asked += 1
        if capability in self.down:
            raise ServiceUnavailable("down")
        return [
            models_pb2.Model(
                id=name,
                capability=capability,
                aliases=[f"{name}-alias"],
                state=models_pb2.MODEL_STATE_LOADED,
                resident_bytes=7,
            )
            for name in self.lists[capability]
        ]


async def ids(catalog: Catalog) -> list[str]:
    return [model["id"] for model in await catalog.list()]


async def test_the_services_are_asked_again_only_after_a_while() -> None:
    source, clock = Source({"chat": ["a"], "speech": ["b"]}), FakeClock()
    catalog = Catalog(source, fresh_seconds=3, clock=clock)
    assert await ids(catalog) == ["a", "b"]
    await catalog.list()
    assert source.asked == 2
    source.lists["chat"] = ["a", "c"]
    clock.advance(3)
    assert await ids(catalog) == ["a", "c", "b"]


async def test_what_is_forgotten_is_asked_again_at_once() -> None:
    source = Source({"chat": ["a"]})
    catalog = Catalog(source, clock=FakeClock())
    await catalog.list()
    source.lists["chat"] = ["b"]
    await catalog.forget()
    assert await ids(catalog) == ["b"]


async def test_progress_is_shown_while_a_model_is_loading_alone() -> None:
    loading = models_pb2.Model(state=models_pb2.MODEL_STATE_LOADING, progress=0.5)
    loaded = models_pb2.Model(state=models_pb2.MODEL_STATE_LOADED, progress=1, expires_at=9)
    assert public(loading)["capabilities"]["progress"] == 0.5
    assert public(loading)["capabilities"]["expires_at"] is None
    assert public(loaded)["capabilities"]["progress"] is None
    assert public(loaded)["capabilities"]["expires_at"] == 9


async def test_a_service_that_is_away_is_remembered() -> None:
    source, clock = Source({"chat": ["a"], "speech": ["b"]}), FakeClock()
    catalog = Catalog(source, fresh_seconds=3, clock=clock)
    await catalog.list()
    source.down = {"chat", "speech"}
    clock.advance(3)
    assert await ids(catalog) == ["a", "b"]


async def test_what_a_service_that_is_away_has_in_memory_is_not_known() -> None:
    source, clock = Source({"chat": ["a"], "speech": ["b"]}), FakeClock()
    catalog = Catalog(source, fresh_seconds=3, clock=clock)
    await catalog.list()
    source.down = {"chat"}
    clock.advance(3)
    told = [model["capabilities"] for model in await catalog.list()]
    assert [(each["state"], each["resident_bytes"]) for each in told] == [
        ("unknown", 0),
        ("loaded", 7),
    ]


async def test_services_that_never_answered_are_asked_every_time() -> None:
    source = Source({"chat": ["a"]}, down={"chat"})
    catalog = Catalog(source, clock=FakeClock())
    with pytest.raises(ServiceUnavailable):
        await catalog.list()
    source.down = set()
    assert await ids(catalog) == ["a"]


async def test_no_services_have_no_models() -> None:
    assert await ids(Catalog(Source({}), clock=FakeClock())) == []


async def test_a_model_is_found_by_id_before_alias() -> None:
    source = Source({"chat": ["a", "a-alias"]})
    catalog = Catalog(source, clock=FakeClock())
    assert (await catalog.find("a-alias"))["id"] == "a-alias"
    assert (await catalog.find("a-alias-alias"))["id"] == "a-alias"
    with pytest.raises(ModelNotFound):
        await catalog.find("b")


def test_a_classifier_shows_its_labels_and_what_it_was_made_of() -> None:
    classifier = models_pb2.Model(
        id="m",
        labels=["happy", "sad"],
        classifies="emotion",
        licence="CC-BY-NC-SA-4.0",
        commercial_use=False,
        provenance="Acted speech.",
    )
    told = public(classifier)["capabilities"]
    assert (told["labels"], told["classifies"]) == (["happy", "sad"], "emotion")
    assert (told["licence"], told["commercial_use"]) == ("CC-BY-NC-SA-4.0", False)
    assert told["provenance"] == "Acted speech."
    unsaid = public(models_pb2.Model(id="m"))["capabilities"]
    assert (unsaid["classifies"], unsaid["commercial_use"]) == (None, None)
