"""Two services, three models, memory for one: our queue beside first come, first served.

Real processes (`orfeon serve`) on real models. Both disciplines are run by the same program: for
first come, first served every request is sent as urgent, since level 0 is served strictly by
arrival, across services too. What a request waited is its latency less that of the same request
with its model in memory and nobody else there. Load is Poisson and open: latency counts from the
scheduled moment.
"""

import asyncio
import itertools
import math
import random
import statistics
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import aiohttp
import numpy as np

from bench.processes import process_of, serving
from bench.report import Figure, print_figures
from gateway.keystore import KeyStore

#: Room for the largest model, not for any two.
MEMORY = "570MB"
SHARES = {0: 0.2, 1: 0.3, 2: 0.5}
#: Of the requests of a level, this share must keep the level's target.
KEPT = 0.95
#: Seconds of arrivals in the search for the highest load, and where percentiles are compared.
SEARCH, COMPARISON = 90.0, 420.0
#: Requests from which the capacity of first come, first served is measured.
BACKLOG = 100
#: Loads tried, in multiples of that capacity.
FIFO_LOADS = (0.25, 0.4, 0.5, 0.6)
OUR_LOADS = (0.75, 1.0, 1.25, 1.5, 1.75)
#: Of our queue, in units of one service and one change of models: level 1 lets nobody pass after
#: the first, level 2 after the second. Services and changes here are far shorter than the defaults
#: are made for.
MAX_WAITS = (3.0, 3.5)


@dataclass(frozen=True)
class Kind:
    """A kind of request: where it goes and what it says."""

    path: str
    body: Mapping[str, object]


KINDS = (
    Kind("/v1/chat/completions", {
        "model": "smollm2-135m-instruct", "max_tokens": 3, "temperature": 0,
        "messages": [{"role": "user", "content": "What is the sea?"}],
    }),
    Kind("/v1/audio/speech", {
        "model": "tts-1", "voice": "joe", "input": "Good day.", "response_format": "pcm",
    }),
)  # fmt: skip


@dataclass(frozen=True)
class Costs:
    """Seconds of each kind with its model in memory, and of a change of models.

    `capacity` is how many requests per second first come, first served gets done of a backlog.
    """

    hot: tuple[float, ...]
    swap: float
    capacity: float

    @property
    def service(self) -> float:
        """Of a request, on average."""
        return statistics.mean(self.hot)

    @property
    def targets(self) -> dict[int, float]:
        """Seconds that each level may wait: as many services and changes as in the simulation."""
        unit = self.service + self.swap
        return {0: 8 / 3.5 * unit, 1: 30 / 3.5 * unit, 2: 60 / 3.5 * unit}


@dataclass(frozen=True)
class Outcome:
    """What became of a request. `wait` is infinite where it was refused or failed."""

    level: int
    wait: float


class Client:
    """Sends requests to the product."""

    def __init__(self, url: str, keys: Sequence[str], session: aiohttp.ClientSession) -> None:
        self._url = url
        self._keys = itertools.cycle(keys)
        self._session = session

    async def send(self, kind: Kind, level: int) -> bool:
        """Whether it was answered."""
        headers = {
            "authorization": f"Bearer {next(self._keys)}",
            "x-request-priority": str(level),
        }
        async with self._session.post(
            self._url + kind.path, json=kind.body, headers=headers
        ) as answer:
            await answer.read()
            return answer.status == 200

    async def timed(self, kind: Kind) -> float:
        """Seconds that it takes now."""
        began = time.perf_counter()
        if not await self.send(kind, 0):
            raise RuntimeError(f"{kind.path} failed")
        return time.perf_counter() - began


async def costs(client: Client) -> Costs:
    """What requests and changes of models cost here."""
    hot = []
    for kind in KINDS:
        await client.timed(kind)
        hot.append(statistics.median([await client.timed(kind) for _ in range(15)]))
    cold = [await client.timed(kind) - hot[at] for _ in range(8) for at, kind in enumerate(KINDS)]
    # Every other request is for another model than the one before, as it is on average by chance.
    changes = [True, False] * (BACKLOG // 2)
    random.Random(1).shuffle(changes)
    began = time.perf_counter()
    backlog, which = [], 0
    for change in changes:
        which ^= change
        backlog.append(asyncio.create_task(client.send(KINDS[which], 0)))
        # Apart, so that they come in the order in which they were sent.
        await asyncio.sleep(0.05)
    await asyncio.gather(*backlog)
    rate = BACKLOG / (time.perf_counter() - began)
    return Costs(tuple(hot), statistics.mean(cold), rate)


async def replay(
    client: Client, measured: Costs, load: float, seconds: float, *, fifo: bool, seed: int = 0
) -> list[Outcome]:
    """Sends one trace, always the same for a load and a seed, and waits for every answer."""
    chance = random.Random(f"{load} {seconds} {seed}")
    rate = load * measured.capacity
    loop = asyncio.get_running_loop()
    began = loop.time() + 0.5
    outcomes: list[Outcome] = []

    async def one(at: float, level: int, which: int) -> None:
        await asyncio.sleep(began + at - loop.time())
        answered = await client.send(KINDS[which], 0 if fifo else level)
        wait = max(0.0, loop.time() - began - at - measured.hot[which])
        outcomes.append(Outcome(level, wait if answered else float("inf")))

    requests, at = [], 0.0
    while (at := at + chance.expovariate(rate)) < seconds:
        level = chance.choices(list(SHARES), list(SHARES.values()))[0]
        requests.append(one(at, level, chance.randrange(len(KINDS))))
    await asyncio.gather(*requests)
    return outcomes


def quantile(outcomes: Sequence[Outcome], level: int, share: float) -> float:
    """The wait, seconds, that this share of a level's requests kept."""
    waits = [each.wait for each in outcomes if each.level == level]
    return float(np.quantile(waits, share, method="higher"))


def kept(outcomes: Sequence[Outcome], measured: Costs) -> bool:
    """Whether every level met its target."""
    return all(
        quantile(outcomes, level, KEPT) <= target for level, target in measured.targets.items()
    )


@contextmanager
def product(folder: Path, extra: Mapping[str, str]) -> Iterator[tuple[str, list[str], int]]:
    """`orfeon serve` with memory for one model; yields its address, some keys and its process."""
    home = folder / "home"
    home.mkdir(parents=True)
    store = KeyStore(f"sqlite:///{home / 'orfeon.db'}")
    keys = [store.create(f"bench{n}", requests_per_minute=10**6)[1] for n in range(4)]
    room = {
        f"ORFEON_{name}_{field}": value
        for name in ("CHAT", "SPEECH")
        for field, value in {
            "SLOTS": "1", "MAX_QUEUED": "100000", "MAX_QUEUED_PER_LEVEL": "[100000,100000,100000]",
            **extra,
        }.items()
    }  # fmt: skip
    options = ("--capabilities", "chat,speech", "--memory", MEMORY, "--threads", "1")
    with serving(home, *options, env=room) as served:
        yield served.url, keys, served.pid


async def goodput(client: Client, measured: Costs, loads: Sequence[float], *, fifo: bool) -> float:
    """The highest load at which every level meets its target, as a multiple; 0 for none."""
    best = 0.0
    for load in loads:
        outcomes = await replay(client, measured, load, SEARCH, fifo=fifo)
        show("fifo" if fifo else "orfeon", load, outcomes, measured)
        if not kept(outcomes, measured):
            break
        best = load
    return best


async def recovery(url: str, keys: Sequence[str], serve: int, victim: str) -> float:
    """Seconds from a kill under load until both services have answered a request sent after it.

    Every answer needs a change of models, so memory has changed hands twice by then. Raises
    `RuntimeError` if a request is lost.
    """
    async with session() as http:
        client = Client(url, keys, http)
        stopping, both = asyncio.Event(), asyncio.Event()
        killed = float("inf")
        answered: set[str] = set()
        lost = 0

        async def ask(kind: Kind) -> None:
            nonlocal lost
            while not stopping.is_set():
                sent = time.monotonic()
                lost += not await client.send(kind, 0)
                if sent > killed:
                    answered.add(kind.path)
                if len(answered) == len(KINDS):
                    both.set()

        crowd = [asyncio.create_task(ask(kind)) for kind in KINDS for _ in range(2)]
        await asyncio.sleep(10)
        process_of(serve, f"services.{victim}").kill()
        killed = time.monotonic()
        await both.wait()
        seconds = time.monotonic() - killed
        stopping.set()
        await asyncio.gather(*crowd)
        if lost:
            raise RuntimeError(f"{lost} requests were lost with the {victim}")
        return seconds


def show(name: str, load: float, outcomes: Sequence[Outcome], measured: Costs) -> None:
    """Prints one run."""
    waits = "  ".join(
        f"level {level}: p50 {quantile(outcomes, level, 0.5):6.2f} "
        f"p95 {quantile(outcomes, level, 0.95):6.2f} p99 {quantile(outcomes, level, 0.99):6.2f}"
        for level in SHARES
    )
    verdict = "kept" if kept(outcomes, measured) else "missed"
    print(f"  {name:<7} load {load:4.2f}  {len(outcomes):>5} requests  {waits}  {verdict}")


def max_waits(measured: Costs) -> dict[str, str]:
    """The settings of our queue for these costs."""
    unit = measured.service + measured.swap
    normal, background = (f"{unit * wait:.1f}" for wait in MAX_WAITS)
    return {"MAX_WAIT_NORMAL": normal, "MAX_WAIT_BACKGROUND": background}


async def compare(url: str, keys: Sequence[str], measured: Costs) -> list[Figure]:
    """Both disciplines in one run, in turns."""
    async with session() as http:
        client = Client(url, keys, http)
        theirs: list[Outcome] = []
        ours: list[Outcome] = []
        for seed, fifo in ((0, True), (0, False), (1, False), (1, True)):
            found = await replay(client, measured, 0.75, COMPARISON, fifo=fifo, seed=seed)
            show("fifo" if fifo else "orfeon", 0.75, found, measured)
            (theirs if fifo else ours).extend(found)
        first_come = await goodput(client, measured, FIFO_LOADS, fifo=True)
        orfeon = await goodput(client, measured, OUR_LOADS, fifo=False)
    ratio = orfeon / first_come if first_come else math.inf
    p95 = [quantile(outcomes, 0, 0.95) for outcomes in (theirs, ours)]
    p99 = [quantile(outcomes, 2, 0.99) for outcomes in (theirs, ours)]
    return [
        Figure("a request, its model in memory", measured.service, "s"),
        Figure("a change of models", measured.swap, "s"),
        Figure("goodput, first come first served", first_come * measured.capacity, "req/s"),
        Figure("goodput, Orfeón", orfeon * measured.capacity, "req/s"),
        Figure("goodput, Orfeón : first come", ratio, "x", 2.0),
        Figure("level 0, p95 wait at 0.75, first come : Orfeón", p95[0] / p95[1], "x", 2.5),
        Figure("level 2, p99 wait at 0.75, Orfeón : first come", p99[1] / p99[0], "x", 1.0,
               at_least=False),
    ]  # fmt: skip


def session() -> aiohttp.ClientSession:
    """A client without bounds of its own."""
    return aiohttp.ClientSession(
        timeout=aiohttp.ClientTimeout(total=900), connector=aiohttp.TCPConnector(limit=0)
    )


async def calibrate(url: str, keys: Sequence[str]) -> Costs:
    """See `costs`."""
    async with session() as http:
        return await costs(Client(url, keys, http))


def main() -> None:
    """Measures and prints."""
    with tempfile.TemporaryDirectory(prefix="orf") as name:
        with product(Path(name) / "first", {}) as (url, keys, _):
            measured = asyncio.run(calibrate(url, keys))
        print(measured)
        with product(Path(name) / "second", max_waits(measured)) as (url, keys, serve):
            figures = [
                Figure(
                    f"both answer after the {victim} is killed under load",
                    asyncio.run(recovery(url, keys, serve, victim)), "s", 5.0, at_least=False,
                )
                for victim in ("arbiter", "chat", "speech")
            ]  # fmt: skip
            figures += asyncio.run(compare(url, keys, measured))
    print_figures(
        "Two services, memory for one model: Orfeón and first come, first served", figures
    )
