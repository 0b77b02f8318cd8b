"""Plan B, with a real queue and models that hear how loud they are."""

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import replace
from pathlib import Path

import pytest
import yaml

from services.emotion.diarization import AudioModel
from services.emotion.turns import TASK, Fallback, Lane, Paces, Turns
from services.runtime.context import RequestContext
from services.runtime.errors import DeadlineExceeded, OrfeonError, Overloaded
from services.runtime.host import ModelHost
from services.runtime.manifest import Manifest
from services.runtime.registry import Registry
from services.runtime.residency import Placement
from services.runtime.settings import ServiceSettings
from services.runtime.telemetry import ServiceMetrics
from tests.unit.emotion.sounds import LABELS, Loudness

CONTEXT = RequestContext("r")


class Weightless:
    """Loads at once."""

    kinds = frozenset({"cpu"})

    def load(self, manifest: Manifest, folder: Path, placement: Placement) -> AudioModel:
        """See `Engine`."""
        return Loudness()


def model(home: Path, name: str, **more: object) -> None:
    """A model folder."""
    folder = home / "models" / name
    folder.mkdir(parents=True)
    said = {
        "name": name, "capability": "emotion", "engine": "fake", "tasks": [TASK],
        "owned_by": "tests", "licence": "MIT", "labels": LABELS, "classifies": "loudness",
        "memory_bytes": 1000, "files": {},
    }  # fmt: skip
    (folder / "model.yaml").write_text(yaml.safe_dump(said | more))


@pytest.fixture
async def host(tmp_path: Path) -> AsyncIterator[ModelHost[AudioModel]]:
    model(tmp_path, "large", default=True, options={"fallback": "small"})
    model(tmp_path, "small")
    model(tmp_path, "alone")
    model(tmp_path, "other", labels=["a", "b"])
    model(tmp_path, "mismatched", options={"fallback": "other"})
    model(tmp_path, "astray", options={"fallback": "nowhere"})
    settings = ServiceSettings(
        ORFEON_HOME=tmp_path, engine="fake", max_queued=0, max_queued_per_level=(0, 0, 0)
    )
    registry = Registry(tmp_path, [], "emotion")
    host = ModelHost(
        "emotion", registry, {"fake": Weightless()}, settings, ServiceMetrics("emotion", "0")
    )
    await host.preload()
    yield host
    await host.close()


class Asking:
    """Requests to one host."""

    def __init__(self, host: ModelHost[AudioModel], *, most: int = 2) -> None:
        self.host = host
        self.paces = Paces()
        self.lane = Lane(host, wide=1, most=most)

    def turns(
        self,
        name: str = "large",
        fallback: Fallback = Fallback.IF_NEEDED,
        *,
        seconds: float = 3.0,
        left: float | None = None,
    ) -> Turns:
        manifest = self.host.ready(name, TASK)
        context = CONTEXT if left is None else replace(CONTEXT, deadline=time.monotonic() + left)
        return Turns(self.host, self.lane, self.paces, context, manifest, fallback, seconds)

    async def answered(self, turns: Turns) -> tuple[str, str]:
        async with turns.next(3.0):
            return turns.manifest.name, turns.fallback_for

    @asynccontextmanager
    async def busy(self) -> AsyncIterator[None]:
        async with self.host.lease(CONTEXT, "large", task=TASK):
            yield

    def counted(self, why: str) -> float:
        labels = {
            "capability": "emotion", "model": "small", "instead_of": "large", "reason": why,
        }  # fmt: skip
        return self.host.metrics.registry.get_sample_value("orfeon_fallbacks_total", labels) or 0


@pytest.fixture
def asking(host: ModelHost[AudioModel]) -> Asking:
    return Asking(host)


async def test_the_model_that_was_asked_for_answers_where_it_can(asking: Asking) -> None:
    assert await asking.answered(asking.turns()) == ("large", "")


async def test_what_stands_in_is_in_memory_from_the_start(asking: Asking) -> None:
    facts = asking.host.facts(asking.host.registry.get("small"))
    assert facts.state.name == "LOADED"
    assert facts.pinned


@pytest.mark.parametrize("broken", [True, False])
async def test_without_what_stands_in_the_default_serves(tmp_path: Path, broken: bool) -> None:
    model(tmp_path, "large", default=True, options={"fallback": "small"})
    if broken:
        model(tmp_path, "small", engine="none")
    settings = ServiceSettings(ORFEON_HOME=tmp_path)
    host: ModelHost[AudioModel] = ModelHost(
        "emotion",
        Registry(tmp_path, [], "emotion"),
        {"fake": Weightless()},
        settings,
        ServiceMetrics("emotion", "0"),
    )
    await host.preload()
    async with host.lease(CONTEXT, "large", task=TASK) as leased:
        assert leased.manifest.name == "large"
    await host.close()


async def test_a_full_queue_is_passed_by_the_faster_model(asking: Asking) -> None:
    async with asking.busy():
        assert await asking.answered(asking.turns()) == ("small", "large")
    assert asking.counted("queue") == 1


async def test_a_deadline_that_is_too_near_is_met_by_the_faster_model(asking: Asking) -> None:
    asking.paces.learn("large", seconds=1.0, took=5.0)
    assert await asking.answered(asking.turns(left=10.0)) == ("small", "large")
    assert await asking.answered(asking.turns(left=100.0)) == ("large", "")
    assert asking.counted("deadline") == 1


async def test_it_may_be_asked_for_and_forbidden(asking: Asking) -> None:
    assert await asking.answered(asking.turns(fallback=Fallback.ALWAYS)) == ("small", "large")
    assert asking.counted("asked") == 1
    async with asking.busy():
        with pytest.raises(Overloaded):
            await asking.answered(asking.turns(fallback=Fallback.NEVER))


@pytest.mark.parametrize("name", ["alone", "mismatched", "astray"])
async def test_without_a_fallback_that_fits_errors_stay(asking: Asking, name: str) -> None:
    await asking.host.load(name, pinned=None)
    assert await asking.answered(asking.turns(name, Fallback.ALWAYS)) == (name, "")
    async with asking.busy():
        with pytest.raises(Overloaded):
            await asking.answered(asking.turns(name))


async def test_the_first_turn_decides_for_the_others(asking: Asking) -> None:
    turns = asking.turns()
    async with asking.busy():
        await asking.answered(turns)
    assert await asking.answered(turns) == ("small", "large")
    others = asking.turns()
    await asking.answered(others)
    async with asking.busy():
        with pytest.raises(Overloaded):
            await asking.answered(others)


async def test_the_lane_is_bounded(asking: Asking) -> None:
    entered, leave = asyncio.Event(), asyncio.Event()

    async def first() -> None:
        async with asking.lane.place(CONTEXT, "small"):
            entered.set()
            await leave.wait()

    holding = asyncio.create_task(first())
    await entered.wait()
    waiting = asyncio.create_task(asking.answered(asking.turns(fallback=Fallback.ALWAYS)))
    await asyncio.sleep(0)
    with pytest.raises(Overloaded):
        await asking.answered(asking.turns(fallback=Fallback.ALWAYS))
    leave.set()
    assert await waiting == ("small", "large")
    await holding


async def test_who_waits_in_the_lane_has_a_deadline(asking: Asking) -> None:
    async with AsyncExitStack() as held:
        await held.enter_async_context(asking.lane.place(CONTEXT, "small"))
        late = asking.turns(fallback=Fallback.ALWAYS, left=0.0)
        with pytest.raises(DeadlineExceeded):
            await asking.answered(late)
    assert await asking.answered(asking.turns(fallback=Fallback.ALWAYS)) == ("small", "large")


async def test_a_turn_that_fails_teaches_nothing_and_is_given_back(asking: Asking) -> None:
    with pytest.raises(OrfeonError):
        async with asking.turns().next(3.0):
            raise OrfeonError("no")
    assert asking.paces.needed("large", 1.0) == asking.paces.needed("unknown", 1.0)
    assert await asking.answered(asking.turns()) == ("large", "")


def test_a_pace_is_learned_from_what_was_heard() -> None:
    paces = Paces()
    paces.learn("m", seconds=10.0, took=1.0)
    paces.learn("m", seconds=0.0, took=1.0)
    assert paces.needed("m", 30.0) == pytest.approx(3.0)
    paces.learn("m", seconds=10.0, took=2.0)
    assert 3.0 < paces.needed("m", 30.0) < 6.0
