"""Clients that connect, stream and vanish at random: what is left of them afterwards.

`orfeon serve --capabilities chat` on the real model. What the clients ask is a mix of everything
that language models are asked; how they go is a mix of every way to go. Whoever stays must get all
of the answer. Afterwards nothing may be left: no place, no request, no connection, no memory.
"""

import asyncio
import json
import random
import re
import socket
import struct
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
import psutil

from bench.processes import free_port, process_of, serving
from bench.report import Figure, print_figures
from gateway.keystore import SCOPES, KeyStore

CLIENTS = 24
#: Seconds before memory is looked at first, until when caches fill; and of all.
WARM, SECONDS = 120.0, 300.0
#: Seconds within which every trace of the last client must have gone.
GONE_WITHIN = 5.0
#: Seconds that who stays is patient: what is urgent goes first, and somebody urgent always comes.
PATIENCE = 300.0
#: Of the levels, how often each is asked for.
LEVELS = {0: 1, 1: 4, 2: 2}
#: Answers that chat writes together; one more than these would wait for a leaked place.
PLACES = 8
MODEL = "smollm2-135m-instruct"

#: How a client goes, and how often: it stays to the end; closes the connection or cuts it off in
#: the middle of an answer; at once; in the middle of its headers or of its body; or stops reading
#: and goes later.
LEAVING = {"stays": 6, "closes": 4, "cuts": 4, "at once": 2, "headers": 1, "body": 1, "stalls": 3}
_WORDS = ("sea", "lamp", "keeper", "storm", "rope", "letter", "winter", "harbour", "bell", "salt")
_TOOL = {
    "type": "function",
    "function": {
        "name": "weather",
        "parameters": {
            "type": "object",
            "properties": {"city": {"type": "string", "maxLength": 20}},
            "required": ["city"],
        },
    },
}
_SCHEMA = {
    "type": "object",
    "properties": {"name": {"type": "string", "maxLength": 20}, "fresh": {"type": "boolean"}},
    "required": ["name", "fresh"],
    "additionalProperties": False,
}
_GAUGES = re.compile(
    r"^(orfeon_(?:queue_requests|http_requests_in_progress)\S*) (\S+)$", re.MULTILINE
)


@dataclass(frozen=True)
class Product:
    """What is soaked. `metrics` are the pages of the gateway's and of chat's metrics."""

    port: int
    key: str
    chat: psutil.Process
    gateway: psutil.Process
    metrics: tuple[str, str]
    logs: Path

    def http(self) -> httpx.AsyncClient:
        """A client that stays."""
        headers = {"authorization": f"Bearer {self.key}"}
        url = f"http://127.0.0.1:{self.port}"
        return httpx.AsyncClient(base_url=url, headers=headers, timeout=PATIENCE)

    def errors(self) -> list[str]:
        """Lines of the services' logs that tell of errors."""
        lines = (line for log in self.logs.glob("*.log") for line in log.read_text().splitlines())
        return [line for line in lines if '"ERROR"' in line or "Traceback" in line]

    def resident(self) -> dict[str, int]:
        """Bytes, by process."""
        return {each: getattr(self, each).memory_info().rss for each in ("chat", "gateway")}

    def files(self) -> int:
        """Open files and connections of both."""
        return int(self.chat.num_fds() + self.gateway.num_fds())


@dataclass
class Tally:
    """What became of the requests. `wrong` says what those who stayed got instead of an answer."""

    left: Counter[str] = field(default_factory=Counter)
    answered: int = 0
    refused: int = 0
    wrong: list[str] = field(default_factory=list)


def a_request(chance: random.Random) -> tuple[str, dict[str, Any]]:
    """A path and a body, of any kind."""
    words = " ".join(chance.choices(_WORDS, k=chance.choice((4, 4, 4, 4, 30, 30, 400))))
    turns = [{"role": "user", "content": f"Tell of {words}."}]
    body: dict[str, Any] = {"model": MODEL, "stream": chance.random() < 0.8}
    body["max_tokens"] = chance.choice((4, 12, 48))
    kind = chance.choice(("plain", "plain", "several", "tools", "schema", "texts", "response"))
    if kind == "texts":
        return "/v1/completions", {**body, "prompt": words, "stop": ["\n\n"], "echo": True}
    if kind == "response":
        body["max_output_tokens"] = max(16, body.pop("max_tokens"))
        return "/v1/responses", {**body, "input": words}
    body["messages"] = turns
    if kind == "several":
        body |= {"n": 2, "logprobs": True, "top_logprobs": 2}
    if kind == "tools":
        body |= {"tools": [_TOOL], "tool_choice": chance.choice(("auto", "required"))}
    if kind == "schema":
        schema = {"name": "fruit", "schema": _SCHEMA}
        body["response_format"] = {"type": "json_schema", "json_schema": schema}
    return "/v1/chat/completions", body


async def crowd(product: Product, seconds: float, *, clients: int, seed: int) -> Tally:
    """So many clients for so long, each coming again and again."""
    tally = Tally()
    end = time.monotonic() + seconds

    async def come(number: int) -> None:
        chance = random.Random(f"{seed} {number}")
        while time.monotonic() < end:
            how = chance.choices(list(LEAVING), list(LEAVING.values()))[0]
            tally.left[how] += 1
            await _visit(product, chance, how, tally)
            await asyncio.sleep(chance.uniform(0, 0.3))

    await asyncio.gather(*(come(number) for number in range(clients)))
    return tally


async def _visit(product: Product, chance: random.Random, how: str, tally: Tally) -> None:
    path, body = a_request(chance)
    level = chance.choices(list(LEVELS), list(LEVELS.values()))[0]
    content = json.dumps(body).encode()
    head = (
        f"POST {path} HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n"
        f"authorization: Bearer {product.key}\r\nx-request-priority: {level}\r\n"
        f"content-type: application/json\r\ncontent-length: {len(content)}\r\n\r\n"
    ).encode()
    sent = {"headers": head[:-20], "body": head + content[:-5]}.get(how, head + content)
    # A small window: who stops reading is felt at the other end at once.
    plug = socket.socket()
    plug.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    plug.setblocking(False)
    await asyncio.get_running_loop().sock_connect(plug, ("127.0.0.1", product.port))
    reader, writer = await asyncio.open_connection(sock=plug, limit=1024)
    try:
        writer.write(sent)
        await writer.drain()
        if how == "stays":
            _judge(path, body, await asyncio.wait_for(reader.read(-1), PATIENCE), tally)
        elif how in ("closes", "cuts"):
            await _some(reader, chance.uniform(0, 3))
        elif how in ("headers", "body"):
            await asyncio.sleep(chance.uniform(0, 1))
        elif how == "stalls":
            await _some(reader, chance.uniform(0, 0.5))
            await asyncio.sleep(chance.uniform(1, 8))
    except TimeoutError:
        tally.wrong.append(f"{path}, level {level}: no answer within {PATIENCE} s")
    finally:
        if how != "closes":
            # The connection is reset, as by a machine that went down.
            plug.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        writer.close()


async def _some(reader: asyncio.StreamReader, seconds: float) -> None:
    try:
        async with asyncio.timeout(seconds):
            while await reader.read(256):
                pass
    except TimeoutError:
        pass


def _judge(path: str, body: dict[str, Any], raw: bytes, tally: Tally) -> None:
    head, _, answer = raw.partition(b"\r\n\r\n")
    status = head[9:12].decode()
    if status == "429" and b'"queue_full"' in answer:
        tally.refused += 1
        return
    end = b'"response.' if path == "/v1/responses" else b"data: [DONE]"
    whole = end in answer[-6000:] if body["stream"] else answer.rstrip().endswith(b"}")
    if status == "200" and whole and b'"error": {' not in answer and b'"error":{' not in answer:
        tally.answered += 1
    else:
        tally.wrong.append(f"{path} {status}: {answer[-200:]!r}")


async def what_is_left(product: Product, http: httpx.AsyncClient) -> dict[str, float]:
    """What tells of requests that are still there; nothing, if all is well."""
    queue = (await http.get("/v1/queue")).json()["data"]
    left: dict[str, float] = {"in the queue": len(queue)}
    for page in product.metrics:
        text = (await http.get(page)).text
        for name, value in _GAUGES.findall(text):
            # The request for the page is in progress itself.
            left[name] = float(value) - (name == "orfeon_http_requests_in_progress")
    return {name: value for name, value in left.items() if value}


async def emptied(product: Product, http: httpx.AsyncClient, within: float = GONE_WITHIN) -> float:
    """Seconds until nothing is left. Raises `RuntimeError` saying what is."""
    began = time.monotonic()
    while left := await what_is_left(product, http):
        if time.monotonic() - began > within:
            raise RuntimeError(f"left after {within} s: {left}")
        await asyncio.sleep(0.1)
    return time.monotonic() - began


async def first_words(http: httpx.AsyncClient) -> list[str]:
    """What is answered to the same question in every place at once: texts, or failures.

    Each of these words leads by more than rounding can take away, see `docs/architecture.md`.
    """
    body = {
        "model": MODEL, "temperature": 0, "max_tokens": 6,
        "messages": [{"role": "user", "content": "What is 2+2?"}],
    }  # fmt: skip

    async def ask() -> str:
        answer = await http.post("/v1/chat/completions", json=body)
        if answer.status_code != 200:
            return answer.text
        return str(answer.json()["choices"][0]["message"]["content"])

    return await asyncio.gather(*(ask() for _ in range(PLACES)))


@contextmanager
def product(folder: Path) -> Iterator[Product]:
    """Chat alone, as it comes."""
    home = folder / "home"
    home.mkdir()
    with closing(KeyStore(f"sqlite:///{home / 'orfeon.db'}")) as store:
        _, key = store.create("soak", scopes=SCOPES, requests_per_minute=10**6)
    metrics = free_port()
    options = ("--capabilities", "chat", "--metrics-base-port", str(metrics))
    with serving(home, *options) as served:
        gateway = next(
            child
            for child in psutil.Process(served.pid).children(recursive=True)
            if "gateway" in child.cmdline()
        )
        pages = (f"{served.url}/metrics", f"http://127.0.0.1:{metrics}/metrics")
        chat = process_of(served.pid, "services.chat")
        yield Product(served.port, key, chat, gateway, pages, home / "logs")


async def measure(soaked: Product) -> list[Figure]:
    """Soaks it and looks at what is left."""
    async with soaked.http() as http:
        before = await first_words(http)
        warm = await crowd(soaked, WARM, clients=CLIENTS, seed=0)
        await emptied(soaked, http)
        resident, files = soaked.resident(), soaked.files()
        tally = await crowd(soaked, SECONDS - WARM, clients=CLIENTS, seed=1)
        gone = await emptied(soaked, http)
        opened = soaked.files() - files
        after = await first_words(http)
    grown = {name: size / resident[name] - 1 for name, size in soaked.resident().items()}
    wrong, errors = warm.wrong + tally.wrong, soaked.errors()
    for line in [*wrong[:5], *errors[:5]]:
        print(line)
    print(f"  {dict(warm.left + tally.left)}")
    return [
        Figure("requests", (warm.left + tally.left).total(), ""),
        Figure("stayed and were answered", warm.answered + tally.answered, ""),
        Figure("stayed and were refused, the queue being full", warm.refused + tally.refused, ""),
        Figure("stayed and got anything else", len(wrong), "", 0, at_least=False),
        Figure("until nothing was left of the last", gone, "s", GONE_WITHIN, at_least=False),
        Figure("later answers that do not begin as before", sum(map(str.__ne__, before, after)), "",
               0, at_least=False),
        Figure("errors in the logs", len(errors), "", 0, at_least=False),
        Figure("open files more than after 2 min", opened, "", 4,
               at_least=False),
        Figure("chat, resident after 2 min", resident["chat"] / 2**20, "MiB"),
        Figure("chat, growth until the end", grown["chat"], "", 0.02, at_least=False),
        Figure("gateway, resident after 2 min", resident["gateway"] / 2**20, "MiB"),
        Figure("gateway, growth until the end", grown["gateway"], "", 0.05, at_least=False),
    ]  # fmt: skip


def main() -> None:
    """Measures and prints."""
    with tempfile.TemporaryDirectory(prefix="orf") as name, product(Path(name)) as soaked:
        figures = asyncio.run(measure(soaked))
    print_figures("Clients that vanish", figures)
