"""Music and songs on the default models: how fast, how much memory, and what kills cannot stop.

`orfeon serve` with all that a song needs. The songs of the second part are made while processes
are killed at random moments; every one must be complete in the end, and there must be as many as
were asked for.
"""

import asyncio
import difflib
import io
import random
import re
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import av
import httpx
import psutil

from bench.processes import Served, process_of, serving
from bench.report import Figure, print_figures, spread
from gateway.keystore import SCOPES, KeyStore

ROUNDS = 3
GENRES = ("rock", "pop", "rap")
SONGS = 20
#: Whose memory is looked at once songs are made.
PEAKS = ("melody", "song")
VICTIMS = ("song", "melody", "gateway")
#: Seconds between kills, at least and at most. A process is back after two to four.
BETWEEN = (4.0, 12.0)
#: Seconds that all of the songs may take, however often something is killed.
PATIENCE = 1_800.0
ENDED = ("completed", "failed", "cancelled")


def melody(client: httpx.Client, seconds: int, seed: int) -> tuple[float, float]:
    """Seconds until the first bytes of a piece, and until the last."""
    began = time.perf_counter()
    first = 0.0
    body = {"genre": GENRES[seed % len(GENRES)], "duration": seconds, "seed": seed}
    with client.stream("POST", "/v1/melodies", json=body) as response:
        response.raise_for_status()
        for _ in response.iter_bytes():
            first = first or time.perf_counter() - began
    return first, time.perf_counter() - began


def song(client: httpx.Client, genre: str, seed: int) -> tuple[float, float]:
    """Seconds that a song of three sections takes, sung, and the share of its words that our own
    ear understands of the voice.
    """
    began = time.perf_counter()
    body = {"genre": genre, "sections": ["verse", "chorus", "verse"], "seed": seed, "priority": 1}
    job = client.post("/v1/songs", json=body).raise_for_status().json()
    while job["status"] not in ENDED:
        time.sleep(0.2)
        job = client.get(f"/v1/jobs/{job['id']}").raise_for_status().json()
    if job["status"] != "completed":
        raise RuntimeError(f"a song {job['status']}: {job['error']}")
    seconds = time.perf_counter() - began
    return seconds, understood(client, f"/v1/jobs/{job['id']}/artifacts")


def understood(client: httpx.Client, artifacts: str) -> float:
    """The share of a song's words that transcribing its voice finds, in their order."""
    words = client.get(f"{artifacts}/lyrics.json").raise_for_status().json()
    voice = client.get(f"{artifacts}/vocals.mp3").raise_for_status().content
    heard = client.post(
        "/v1/audio/transcriptions", data={"model": "whisper-1"}, files={"file": voice}
    )
    said = words_of(" ".join(line["text"] for line in words["lines"]))
    matcher = difflib.SequenceMatcher(
        None, said, words_of(heard.raise_for_status().json()["text"]), autojunk=False
    )
    return sum(block.size for block in matcher.get_matching_blocks()) / len(said)


def words_of(text: str) -> list[str]:
    """Its words, in small letters."""
    return re.findall(r"[^\W_]+(?:'[^\W_]+)?", text.lower())


def peak_bytes(process: psutil.Process) -> int:
    """The most memory that a process ever had resident (Linux)."""
    status = Path(f"/proc/{process.pid}/status").read_text()
    [kilobytes] = re.findall(r"VmHWM:\s+(\d+) kB", status)
    return int(kilobytes) * 1024


def speed(served: Served, key: str) -> list[Figure]:
    """How long music and songs take."""
    headers = {"authorization": f"Bearer {key}"}
    with httpx.Client(base_url=served.url, headers=headers, timeout=300) as client:
        melody(client, 5, 0)
        short = [melody(client, 30, seed) for seed in range(ROUNDS)]
        long = [melody(client, 180, seed) for seed in range(ROUNDS)]
        music = peak_bytes(process_of(served.pid, "services.melody"))
        sung = [song(client, genre, seed) for seed, genre in enumerate(GENRES)]
    songs, heard = [seconds for seconds, _ in sung], [share for _, share in sung]
    peaks = {name: peak_bytes(process_of(served.pid, f"services.{name}")) for name in PEAKS}
    firsts = [first for first, _ in short + long]
    halves, wholes = [whole for _, whole in short], [whole for _, whole in long]
    return [
        Figure("30 s of music", max(halves), "s", 3.0, at_least=False, note=spread(halves)),
        Figure("180 s of music", max(wholes), "s", 15.0, at_least=False, note=spread(wholes)),
        Figure("the first bytes of it", max(firsts), "s", 1.5, at_least=False, note=spread(firsts)),
        Figure("most memory of melody, playing", music / 2**20, "MiB", 400, at_least=False),
        Figure("a sung song of three sections", max(songs), "s", 60.0, at_least=False,
               note=spread(songs)),
        Figure("words of it that are understood", min(heard), "", 0.5, note=spread(heard)),
        *(Figure(f"most memory of {name}, songs made", peak / 2**20, "MiB")
          for name, peak in peaks.items()),
    ]  # fmt: skip


async def patient(client: httpx.AsyncClient, method: str, path: str, **kwargs: Any) -> Any:
    """The answer to a request, asked again as long as the gateway is away or says to wait."""
    while True:
        try:
            response = await client.request(method, path, **kwargs)
            if response.status_code not in (429, 502, 503, 504):
                return response.raise_for_status()
        except httpx.TransportError:
            pass
        await asyncio.sleep(0.3)


async def one(client: httpx.AsyncClient, number: int) -> str:
    """Asks for a song and waits until it is complete; its id."""
    body = {
        "genre": GENRES[number % len(GENRES)],
        "sections": ["verse", "chorus"],
        "lines": 2,
        "seed": number,
        "priority": 2,
    }
    headers = {"idempotency-key": f"song-{number}"}
    job = (await patient(client, "POST", "/v1/songs", json=body, headers=headers)).json()
    while job["status"] not in ENDED:
        await asyncio.sleep(0.5)
        job = (await patient(client, "GET", f"/v1/jobs/{job['id']}")).json()
    if job["status"] != "completed":
        raise RuntimeError(f"song {number} {job['status']}: {job['error']}")
    file = await patient(client, "GET", f"/v1/jobs/{job['id']}/artifacts/song.mp3")
    with av.open(io.BytesIO(file.content), "r") as container:
        if next(container.decode(audio=0), None) is None:
            raise RuntimeError(f"song {number} is empty")
    found: str = job["id"]
    return found


async def kills(served: Served, key: str) -> list[Figure]:
    """What comes of songs while processes are killed."""
    chance = random.Random(5)
    killed: Counter[str] = Counter()

    async def kill() -> None:
        while True:
            await asyncio.sleep(chance.uniform(*BETWEEN))
            victim = chance.choice(VICTIMS)
            name = victim if victim == "gateway" else f"services.{victim}"
            try:
                process_of(served.pid, name).kill()
                killed[victim] += 1
            except LookupError:  # It is not back from the last time.
                pass

    headers = {"authorization": f"Bearer {key}"}
    began = time.perf_counter()
    async with httpx.AsyncClient(base_url=served.url, headers=headers, timeout=120) as client:
        killing = asyncio.create_task(kill())
        try:
            async with asyncio.timeout(PATIENCE):
                ids = await asyncio.gather(*(one(client, number) for number in range(SONGS)))
        finally:
            killing.cancel()
        seconds = time.perf_counter() - began
        listed = (await patient(client, "GET", "/v1/jobs", params={"limit": 100})).json()["data"]
    note = ", ".join(f"{victim} {times} times" for victim, times in sorted(killed.items()))
    return [
        Figure("songs complete of 20", len(set(ids)), "", SONGS, note=f"killed: {note}"),
        Figure("jobs that there are", len(listed), "", SONGS, at_least=False),
        Figure("seconds of all of them", seconds, "s"),
    ]


@contextmanager
def product(folder: Path) -> Iterator[tuple[Served, str]]:
    """`orfeon serve` with what a song needs; yields it and a key."""
    home = folder / "home"
    home.mkdir(parents=True)
    store = KeyStore(f"sqlite:///{home / 'orfeon.db'}")
    _, key = store.create("bench", scopes=SCOPES, requests_per_minute=10**6)
    with serving(home, "--capabilities", "lyrics,speech,emotion,melody,song") as served:
        yield served, key


def main() -> None:
    """Measures and prints."""
    with tempfile.TemporaryDirectory(prefix="orf") as name:
        with product(Path(name) / "speed") as (served, key):
            figures = speed(served, key)
        print_figures("Music and songs", figures)
        with product(Path(name) / "kills") as (served, key):
            figures = asyncio.run(kills(served, key))
        print_figures("Songs while processes are killed", figures)
