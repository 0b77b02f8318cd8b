"""A host: queue and memory together, over the models of speech and an engine without weights."""

import asyncio
import threading
from pathlib import Path

import pytest

import services.speech
from services.runtime.context import RequestContext
from services.runtime.errors import OutOfMemory
from services.runtime.host import ModelHost
from services.runtime.manifest import Manifest
from services.runtime.registry import Registry
from services.runtime.residency import Placement
from services.runtime.settings import ServiceSettings
from services.runtime.telemetry import ServiceMetrics

BASE, TINY = "whisper-base", "whisper-tiny.en"


class Weightless:
    """A model, and the engine that makes it."""

    kinds = frozenset({"cpu"})

    def load(self, manifest: Manifest, folder: Path, placement: Placement) -> "Weightless":
        """Itself."""
        return self

    def close(self) -> None:
        """Nothing to free."""


def new_host(home: Path, **settings: object) -> ModelHost[Weightless]:
    """A host with room for one of the two models that transcribe."""
    told = ServiceSettings(ORFEON_HOME=home, engine="fake", memory_budget=300_000_000, **settings)  # type: ignore[arg-type]
    models = Path(services.speech.__file__).parent / "models"
    registry = Registry(home, [models], "speech")
    metrics = ServiceMetrics("speech", "0")
    return ModelHost("speech", registry, {"fake": Weightless()}, told, metrics)


async def test_a_load_by_hand_comes_before_an_endless_stream_of_requests(tmp_path: Path) -> None:
    host = new_host(tmp_path, max_wait_normal=0, max_wait_background=0, max_run=0)

    served = asyncio.Event()

    async def requests() -> None:
        while True:
            async with host.lease(RequestContext("r"), BASE, task="transcription"):
                served.set()
                await asyncio.sleep(0)

    streams = [asyncio.create_task(requests()) for _ in range(3)]
    try:
        await served.wait()
        async with asyncio.timeout(60):
            await host.load(TINY, pinned=True)
        assert host.facts(host.registry.get(TINY)).pinned
    finally:
        for stream in streams:
            stream.cancel()
        await asyncio.wait(streams)
        await host.close()
    assert host.entries() == []


async def test_an_engine_is_made_apart_from_the_loop(tmp_path: Path) -> None:
    host, makers = new_host(tmp_path), []

    class Noting(dict[str, Weightless]):
        def __getitem__(self, name: str) -> Weightless:
            makers.append(threading.current_thread())
            return super().__getitem__(name)

    host._engines = Noting({"fake": Weightless()})
    async with host.lease(RequestContext("r"), BASE, task="transcription"):
        assert makers[0] is not threading.main_thread()
    await host.close()


async def test_pinned_models_may_be_named_by_an_alias(tmp_path: Path) -> None:
    host = new_host(tmp_path, pinned=frozenset({"whisper-1"}))
    assert host.facts(host.registry.get("whisper-1")).pinned


async def test_what_a_triton_server_takes_is_claimed_whosever_memory_it_is(tmp_path: Path) -> None:
    host = new_host(tmp_path)
    host._engines = {"triton": Weightless()}
    host._engine_setting = "triton"
    whisper = host.registry.get(BASE)
    assert whisper.triton_memory_bytes > 300_000_000
    with pytest.raises(OutOfMemory, match=f"{whisper.triton_memory_bytes:,} bytes"):
        await host.load(BASE, pinned=None)
    await host.close()


async def test_what_waits_and_what_is_worked_on_is_counted_together(tmp_path: Path) -> None:
    host = new_host(tmp_path)

    def pending() -> float | None:
        labels = {"capability": "speech"}
        return host.metrics.registry.get_sample_value("orfeon_pending_requests", labels)

    async def ask() -> None:
        async with host.lease(RequestContext("r"), BASE, task="transcription"):
            pass

    # There is a number before anybody has asked: who scales by it must not take none for no answer.
    assert pending() == 0
    async with host.lease(RequestContext("r"), BASE, task="transcription"):
        waiting = asyncio.create_task(ask())
        async with asyncio.timeout(60):
            while len(host.entries()) < 2:  # noqa: ASYNC110 - nothing tells of who waits
                await asyncio.sleep(0)
        assert pending() == 2
    await waiting
    assert pending() == 0
    await host.close()
