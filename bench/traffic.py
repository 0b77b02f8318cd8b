"""A little of all that a running Orfeón is asked: each capability, each level, errors, pages.

Dashboards and rules have something to show then: `python -m bench.traffic`, or `make traffic`.
"""

import argparse
import asyncio
import io
import math
import os
import struct
import sys
import wave
from collections import Counter
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import httpx

from orfeon.access import read_access

LEVELS = (0, 1, 2)
#: Pages of Studio that are opened.
PAGES = ("en/", "en/song", "es/chat")
#: Seconds that a song may take.
SONG_SECONDS = 300.0

Ask = Callable[[httpx.AsyncClient, dict[str, str]], Awaitable[str]]


def recording(seconds: float = 1.5) -> bytes:
    """A tone that swells and fades like a voice, as a WAV file of 16 kHz."""
    rate = 16_000
    samples = (
        int(9000 * math.sin(2 * math.pi * 4 * at / rate) * math.sin(2 * math.pi * 220 * at / rate))
        for at in range(int(seconds * rate))
    )
    file = io.BytesIO()
    with wave.open(file, "wb") as writer:
        writer.setnchannels(1)
        writer.setsampwidth(2)
        writer.setframerate(rate)
        writer.writeframes(b"".join(struct.pack("<h", sample) for sample in samples))
    return file.getvalue()


def _json(path: str, **body: Any) -> Ask:
    async def ask(client: httpx.AsyncClient, headers: dict[str, str]) -> str:
        response = await client.post(path, json=body, headers=headers)
        return str(response.status_code)

    return ask


def _form(path: str, **fields: str) -> Ask:
    sound = recording()

    async def ask(client: httpx.AsyncClient, headers: dict[str, str]) -> str:
        files = {"file": ("tone.wav", sound, "audio/wav")}
        response = await client.post(path, data=fields, files=files, headers=headers)
        return str(response.status_code)

    return ask


async def _leave(client: httpx.AsyncClient, headers: dict[str, str]) -> str:
    body = {"messages": _MESSAGES, "stream": True, "max_tokens": 200}
    async with client.stream("POST", "/v1/chat/completions", json=body, headers=headers) as answer:
        async for _ in answer.aiter_bytes():
            return "left"
    return str(answer.status_code)


async def _unknown_key(client: httpx.AsyncClient, headers: dict[str, str]) -> str:
    wrong = {**headers, "authorization": "Bearer wrong"}
    return str((await client.post("/v1/embeddings", json={}, headers=wrong)).status_code)


_MESSAGES = [{"role": "user", "content": "Name a fruit."}]

#: What is asked at each level.
ASKED: dict[str, Ask] = {
    "chat": _json("/v1/chat/completions", messages=_MESSAGES, max_tokens=8),
    "chat, streamed": _json("/v1/chat/completions", messages=_MESSAGES, max_tokens=8, stream=True),
    "embeddings": _json("/v1/embeddings", input="a harbour"),
    "lyrics": _json("/v1/lyrics", genre="pop", sections=["verse"], stream=True, seed=7),
    "speech": _json("/v1/audio/speech", input="Good morning.", response_format="wav"),
    "transcription": _form("/v1/audio/transcriptions"),
    "classification": _form("/v1/audio/classifications"),
    "speakers": _form("/v1/audio/embeddings"),
    "melody": _json("/v1/melodies", genre="pop", duration=6, seed=7),
    "images": _json("/v1/images/generations", prompt="a lighthouse"),
    "file": _form("/v1/files", purpose="fine-tune"),
    "a model that is not there": _json("/v1/chat/completions", model="none", messages=_MESSAGES),
    "a body that is none": _json("/v1/chat/completions", messages="?"),
    "a key that is wrong": _unknown_key,
    "a client that leaves": _leave,
}


async def _song(client: httpx.AsyncClient, level: int) -> str:
    wish = {"genre": "pop", "title": "Tide", "sections": ["verse"], "priority": level}
    made = await client.post("/v1/songs", json=wish)
    if made.status_code >= 400:
        return str(made.status_code)
    async with asyncio.timeout(SONG_SECONDS):
        while True:
            job = (await client.get(f"/v1/jobs/{made.json()['id']}")).json()
            if job["status"] not in ("queued", "in_progress"):
                return str(job["status"])
            await asyncio.sleep(0.3)


async def _reload(client: httpx.AsyncClient) -> str:
    """Unloads a model and loads it again; what needs an admin key."""
    listed = await client.get("/v1/models")
    if listed.status_code >= 400:
        return str(listed.status_code)
    models = listed.json()["data"]
    speaking = [each["id"] for each in models if each["capabilities"]["tasks"] == ["speech"]]
    if not speaking:
        return "no model speaks"
    name = speaking[0]
    told = [
        (await client.post(f"/v1/models/{name}/{order}", json={})).status_code
        for order in ("unload", "load")
    ]
    return " ".join(map(str, told))


async def _studio(url: str, api_key: str) -> Counter[str]:
    """Opens pages of the web app: one as a stranger, others signed in."""
    told: Counter[str] = Counter()
    async with httpx.AsyncClient(
        base_url=f"{url}/studio/", headers={"accept": "text/html"}, timeout=60, trust_env=False
    ) as browser:

        async def visit(name: str, method: str, path: str, **form: str) -> None:
            response = await browser.request(method, path, data=form or None)
            told[f"{name}: {response.status_code}"] += 1

        await visit("a page before signing in", "GET", "en/song")
        await visit("signing in", "POST", "sign-in", key=api_key)
        for path in PAGES:
            await visit(f"page {path}", "GET", path)
        await visit("signing out", "POST", "sign-out")
    return told


async def traffic(
    base_url: str, api_key: str, *, songs: bool = True, studio_url: str = ""
) -> Counter[str]:
    """Asks for all of it once at each level, and for pages of Studio where it has an address.

    How often each answer came, by what was asked.
    """
    told: Counter[str] = Counter()
    headers = {"authorization": f"Bearer {api_key}"}
    limits = httpx.Limits(max_connections=4)
    async with httpx.AsyncClient(
        base_url=base_url, headers=headers, timeout=120, limits=limits, trust_env=False
    ) as client:
        told[f"reload: {await _reload(client)}"] += 1
        for level in LEVELS:
            urgency = {"x-request-priority": str(level)}
            answers = await asyncio.gather(*(ask(client, urgency) for ask in ASKED.values()))
            told.update(f"{name}: {one}" for name, one in zip(ASKED, answers, strict=True))
        if songs:
            for one in await asyncio.gather(*(_song(client, level) for level in LEVELS)):
                told[f"song: {one}"] += 1
    if studio_url:
        told += await _studio(studio_url, api_key)
    return told


def main() -> None:
    """The program; by default of what runs on this machine."""
    noted = read_access(Path(os.environ.get("ORFEON_HOME", Path.home() / ".orfeon")))
    parser = argparse.ArgumentParser(prog="python -m bench.traffic", description=__doc__)
    parser.add_argument("--base-url", default=(noted.base_url or "").removesuffix("/v1"))
    parser.add_argument("--api-key", default=noted.api_key or "")
    parser.add_argument("--studio-url", default=noted.studio_url or "")
    parser.add_argument("--rounds", type=int, default=1)
    chosen = parser.parse_args()
    if not chosen.base_url:
        sys.exit("Nothing runs here: start `make run`, or name a --base-url and an --api-key.")
    for _ in range(chosen.rounds):
        try:
            told = asyncio.run(
                traffic(chosen.base_url, chosen.api_key, studio_url=chosen.studio_url)
            )
        except httpx.ConnectError as error:
            sys.exit(f"Nothing answers at {error.request.url}.")
        for name, times in sorted(told.items()):
            print(f"{times:4} {name}")


if __name__ == "__main__":
    main()
