"""Emotion through a real Triton server, beside the same engine in this process.

    python -m bench.triton [--rounds 5] [--size tiny|base] [--plot docs/images/triton-batches.png]

The server of the wheel, on the CPU. Ways take turns; each has the same clips, no two of which are
alike.
"""

import argparse
import asyncio
import os
import statistics
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

import grpc
import numpy as np
from threadpoolctl import threadpool_limits

from bench.emotion import RATE, wav
from bench.processes import started
from bench.report import Figure, print_figures, spread
from bench.triton_models import deaf_model, network_variants, save_for_any_sound, saved_network
from orfeon.api.emotion.v1 import emotion_pb2 as pb
from orfeon.api.emotion.v1 import emotion_pb2_grpc
from orfeon.serve.triton import REPOSITORY, launch
from services.emotion.__main__ import EMOTION, triton, wav2vec2, whisper_head
from services.emotion.engine import Clip, EmotionModel, Samples
from services.emotion.settings import EmotionSettings
from services.runtime.manifest import Manifest
from services.runtime.registry import Registry
from services.runtime.residency.placement import CPU, Placement
from services.runtime.worker import Cancellation

SECONDS = 3.0
ANY_SOUND = "bench-any-sound"
ALONE, TOGETHER = 40, 128
CONCURRENT = (1, 4, 32)
URGENT, BACKGROUND = 60, 40
#: Each process of the server has one thread for linear algebra, as under `orfeon serve`.
ENVIRONMENT = {"OMP_NUM_THREADS": "1", "ORFEON_EMOTION_THREADS": "1"}


def clips(count: int, seed: int = 0) -> Iterator[Samples]:
    """Hiss: three seconds each, no two alike."""
    rng = np.random.default_rng(seed)
    for _ in range(count):
        yield rng.normal(0, 0.1, round(SECONDS * RATE)).astype(np.float32)


@contextmanager
def served(folder: Path, home: Path, repository: Path) -> Iterator[str]:
    """A server of that repository; yields where it is."""
    folder.mkdir()
    url = f"unix:{folder / 't.sock'}:1"
    environment = {**os.environ, **ENVIRONMENT, "ORFEON_HOME": str(home)}
    planned = launch(url, folder, repository, environment)
    planned.prepare()
    env, log = dict(planned.environment), folder / "log"
    with started(planned.command, env=env, core=None, log=log):
        yield url


def rate(model: EmotionModel, concurrent: int, seed: int) -> tuple[float, float]:
    """Clips a second, and the median of how long one took, seconds."""
    work = list(clips(ALONE if concurrent == 1 else TOGETHER, seed))

    def one(samples: Samples) -> float:
        began = time.perf_counter()
        model.classify(Clip(samples, timeout=120), Cancellation())
        return time.perf_counter() - began

    began = time.perf_counter()
    with ThreadPoolExecutor(concurrent) as pool:
        took = list(pool.map(one, work))
    return len(work) / (time.perf_counter() - began), statistics.median(took)


def throughput(home: Path, url: str, rounds: int) -> list[Figure]:
    """The shipped classifier at 1, 4 and 32 at once, and unbatched in this process."""
    registry = Registry(home, [EMOTION.models])
    manifest = registry.resolve("", "classification")
    place = Placement(((CPU, manifest.memory_bytes),))
    folder = registry.folder(manifest)
    ways: dict[str, tuple[EmotionModel, int]] = {
        f"in process, {threads} threads": (
            whisper_head(EmotionSettings(threads=threads)).load(manifest, folder, place),
            1,
        )
        for threads in (1, 2)
    }
    there = triton(EmotionSettings(triton_url=url)).load(manifest, folder, place)
    ways |= {f"Triton, {concurrent} at once": (there, concurrent) for concurrent in CONCURRENT}
    rates: dict[str, list[float]] = {way: [] for way in ways}
    times: dict[str, list[float]] = {way: [] for way in ways}
    with threadpool_limits(1, "blas"):
        for number, (model, concurrent) in enumerate(ways.values()):
            rate(model, concurrent, 10**6 + number)
        for at in range(rounds):
            for number, way in list(enumerate(ways))[:: 1 if at % 2 else -1]:
                found, median = rate(*ways[way], seed=at * len(ways) + number)
                rates[way].append(found)
                times[way].append(median)
    own, most = "in process, 2 threads", f"Triton, {max(CONCURRENT)} at once"
    gains = [ours / theirs for ours, theirs in zip(rates[most], rates[own], strict=True)]
    added = [
        (ours - theirs) * 1e3
        for ours, theirs in zip(
            times["Triton, 1 at once"], times["in process, 1 threads"], strict=True
        )
    ]
    figures = [
        Figure(way, statistics.median(found), "1/s", note=spread(found))
        for way, found in rates.items()
    ]
    return [
        *figures,
        Figure(f"{most} : {own}", statistics.median(gains), "x", 1.3, note=spread(gains)),
        Figure("added to a clip, one at a time", statistics.median(added), "ms", 8,
               at_least=False, note=spread(added)),
    ]  # fmt: skip


def network(home: Path, folder: Path, rounds: int, manifest: Manifest) -> list[Figure]:
    """A network as it is exported, in batches, beside the checkpoint in this process without."""
    place = Placement(((CPU, manifest.memory_bytes),))
    own = wav2vec2(EmotionSettings(threads=2)).load(
        manifest, Registry(home, [EMOTION.models]).folder(manifest), place
    )
    rates: dict[str, list[float]] = {"here": [], "there": []}
    with served(folder / "network", home, folder / "variants") as url:
        there = triton(EmotionSettings(triton_url=url)).load(
            named(manifest, "bench"), Path(), place
        )
        rate(there, 1, 0)
        for at in range(rounds):
            rates["here"].append(rate(own, 1, 2 * at + 1)[0])
            rates["there"].append(rate(there, 32, 2 * at + 2)[0])
    gains = [ours / theirs for ours, theirs in zip(rates["there"], rates["here"], strict=True)]
    return [
        Figure("in process, 2 threads", statistics.median(rates["here"]), "1/s",
               note=spread(rates["here"])),
        Figure("Triton, 32 at once", statistics.median(rates["there"]), "1/s",
               note=spread(rates["there"])),
        Figure("the latter : the former", statistics.median(gains), "x", 1.3, note=spread(gains)),
    ]  # fmt: skip


def sweep(
    home: Path, folder: Path, rounds: int, manifest: Manifest, plot: Path | None
) -> list[Figure]:
    """A network in batches of several sizes, which wait for several times to be filled."""
    repository = folder / "variants"
    variants = network_variants(repository)
    place = Placement(((CPU, manifest.memory_bytes),))
    found: dict[tuple[int, int], list[float]] = {variant: [] for variant in variants}
    with served(folder / "sweep", home, repository) as url:
        engine = triton(EmotionSettings(triton_url=url))
        models = {
            variant: engine.load(named(manifest, name), Path(), place)
            for variant, name in variants.items()
        }
        for at in range(rounds):
            for variant in list(models)[:: 1 if at % 2 else -1]:
                found[variant].append(rate(models[variant], 32, at)[0])
    if plot is not None:
        draw(found, plot)
    return [
        Figure(f"at most {most}, waits {delay} µs", statistics.median(rates), "1/s",
               note=spread(rates))
        for (most, delay), rates in found.items()
    ]  # fmt: skip


def named(manifest: Manifest, name: str) -> Manifest:
    """The same model, served under another name."""
    return manifest.model_copy(update={"options": {"triton_model": name}})


def draw(found: dict[tuple[int, int], list[float]], path: Path) -> None:
    """Clips a second by the size of a batch, a line for each time of waiting."""
    from matplotlib.figure import Figure as Picture

    picture = Picture(figsize=(6, 4), layout="constrained")
    axes = picture.subplots()
    for delay in sorted({delay for _, delay in found}):
        sizes = sorted(most for most, each in found if each == delay)
        medians = [statistics.median(found[most, delay]) for most in sizes]
        lows = [m - min(found[most, delay]) for m, most in zip(medians, sizes, strict=True)]
        highs = [max(found[most, delay]) - m for m, most in zip(medians, sizes, strict=True)]
        axes.errorbar(sizes, medians, (lows, highs), marker="o", capsize=3, label=f"{delay} µs")
    axes.set(xlabel="clips in a batch, at most", ylabel="clips a second, 32 at once")
    axes.set_ylim(bottom=0)
    axes.legend(title="waits to be filled")
    path.parent.mkdir(parents=True, exist_ok=True)
    picture.savefig(path, dpi=110)


def large_tensors(home: Path, url: str, rounds: int, manifest: Manifest) -> list[Figure]:
    """Ten minutes of silence for a model that does not listen: all that is left is their way."""
    sound = Clip(np.zeros(600 * RATE, np.float32), timeout=120)
    took: dict[bool, list[float]] = {False: [], True: []}
    models = {
        shared: triton(EmotionSettings(triton_url=url, triton_shared_memory=shared)).load(
            manifest, Path(), Placement(())
        )
        for shared in took
    }
    for at in range(4 * rounds + 1):
        for shared, model in models.items():
            began = time.perf_counter()
            model.classify(sound, Cancellation())
            if at:
                took[shared].append(time.perf_counter() - began)
    return [
        Figure(f"10 minutes of sound, {'shared memory' if shared else 'message'}, median",
               statistics.median(times) * 1e3, "ms", note=f"least {min(times) * 1e3:.1f}")
        for shared, times in took.items()
    ]  # fmt: skip


async def saturation(home: Path, folder: Path, url: str) -> list[Figure]:
    """Urgent requests to the service, alone and while those of level 2 saturate it."""
    address = f"unix:{folder / 'e.sock'}"
    environment = {
        **ENVIRONMENT,
        "ORFEON_HOME": str(home),
        "ORFEON_EMOTION_ADDRESS": address,
        "ORFEON_EMOTION_ENGINE": "triton",
        "ORFEON_EMOTION_TRITON_URL": url,
    }
    command = [sys.executable, "-m", "services.emotion"]
    with started(command, env=environment, core=None, log=folder / "service.log"):
        async with grpc.aio.insecure_channel(address) as channel:
            await asyncio.wait_for(channel.channel_ready(), 120)
            stub = emotion_pb2_grpc.EmotionServiceStub(channel)
            files = [wav(each) for each in clips(400, seed=7)]

            async def ask(number: int, level: int) -> float:
                began = time.perf_counter()
                await stub.Classify(
                    parts(files[number % len(files)], number),
                    metadata=(("x-request-priority", str(level)),),
                    timeout=120,
                )
                return time.perf_counter() - began

            while True:  # Until its models are loaded.
                try:
                    await ask(0, 0)
                    break
                except grpc.aio.AioRpcError as error:
                    if error.code() != grpc.StatusCode.UNAVAILABLE:
                        raise
                    await asyncio.sleep(0.2)
            idle = [await ask(number, 0) for number in range(URGENT)]
            done, stop = 0, asyncio.Event()

            async def background(first: int) -> None:
                nonlocal done
                number = first
                while not stop.is_set():
                    await ask(number := number + BACKGROUND, 2)
                    done += 1

            callers = [
                asyncio.create_task(background(1000 * URGENT + at)) for at in range(BACKGROUND)
            ]
            await asyncio.sleep(2)
            began, before = time.perf_counter(), done
            busy = [await ask(10**7 + number, 0) for number in range(URGENT)]
            level_2 = (done - before) / (time.perf_counter() - began)
            stop.set()
            await asyncio.gather(*callers)
    alone, under = (statistics.quantiles(each, n=20)[18] for each in (idle, busy))
    return [
        Figure("level 0, nobody else, p95", alone * 1e3, "ms"),
        Figure(f"level 0, under {BACKGROUND} callers of level 2, p95", under * 1e3, "ms"),
        Figure("the latter : the former", under / alone, "x", 2.0, at_least=False),
        Figure("level 2 meanwhile", level_2, "1/s"),
    ]


async def parts(file: bytes, number: int) -> AsyncIterator[pb.ClassifyRequest]:
    """A recording; `number` makes it one that has not been before."""
    yield pb.ClassifyRequest(config=pb.ClassifyConfig(model=ANY_SOUND))
    yield pb.ClassifyRequest(audio=file[:-4] + (number % 2**24).to_bytes(4, "little"))


def measure(rounds: int, size: str, plot: Path | None) -> Iterator[tuple[str, list[Figure]]]:
    """Each part's title and figures."""
    with tempfile.TemporaryDirectory(prefix="orf") as name:
        folder = Path(name)
        home = folder / "home"
        manifest = Registry(home, [EMOTION.models]).resolve("", "classification")
        save_for_any_sound(home, manifest, ANY_SOUND)
        load = Figure("load of the machine before", os.getloadavg()[0], "")
        with served(folder / "server", home, REPOSITORY) as url:
            yield "Emotion through Triton", [load, *throughput(home, url, rounds)]
            yield "Emotion under saturation", asyncio.run(saturation(home, folder, url))
        manifest = deaf_model(home, folder / "deaf")
        with served(folder / "deaf-server", home, folder / "deaf") as url:
            yield "Large recordings", large_tensors(home, url, rounds, manifest)
        manifest = saved_network(home, folder / "variants", size)
        yield f"A {size} network through Triton", network(home, folder, rounds, manifest)
        yield f"Batches of a {size} network", sweep(home, folder, rounds, manifest, plot)


def main(arguments: Sequence[str] = ()) -> None:
    """Measures and prints."""
    parser = argparse.ArgumentParser(
        prog="python -m bench triton", description=str(__doc__).partition("\n")[0]
    )
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--size", choices=["tiny", "base"], default="tiny")
    parser.add_argument("--plot", type=Path)
    asked = parser.parse_args(arguments)
    for title, figures in measure(asked.rounds, asked.size, asked.plot):
        print_figures(title, figures)


if __name__ == "__main__":
    main(sys.argv[1:])
