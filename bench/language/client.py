"""Streams answers over HTTP and notes when their first words came; alike for every server."""

import asyncio
import json
import time
from collections.abc import AsyncIterator, Iterable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass

import aiohttp

from bench.language.systems import System

Turn = Mapping[str, str]


@dataclass(frozen=True)
class Answer:
    """What came back. Seconds count from when the request was sent."""

    text: str
    first: float
    seconds: float


@dataclass(frozen=True)
class Question:
    """What is asked: a conversation, how many tokens its answer takes, and how urgent it is."""

    turns: Sequence[Turn]
    tokens: int
    level: int = 1


class Client:
    """Asks one server."""

    def __init__(self, system: System, session: aiohttp.ClientSession) -> None:
        self._url = f"{system.url}/v1/chat/completions"
        self._key = system.key
        self._session = session

    async def ask(self, question: Question) -> Answer:
        """Streams one answer. Raises `RuntimeError` where it is not as long as was asked for."""
        body = {
            "model": "smollm2-135m-instruct", "messages": question.turns,
            "max_tokens": question.tokens, "temperature": 0, "repeat_penalty": 1.0,
            "stream": True,
        }  # fmt: skip
        headers = {
            "authorization": f"Bearer {self._key}",
            "x-request-priority": str(question.level),
        }
        began = time.perf_counter()
        first, pieces, reason = 0.0, [], None
        async with self._session.post(self._url, json=body, headers=headers) as answer:
            if answer.status != 200:
                raise RuntimeError(f"{self._url}: {answer.status} {await answer.text()}")
            async for line in answer.content:
                if not line.startswith(b"data: {"):
                    continue
                for choice in json.loads(line[6:]).get("choices", ()):
                    if content := choice["delta"].get("content"):
                        first = first or time.perf_counter() - began
                        pieces.append(content)
                    reason = choice["finish_reason"] or reason
        if reason != "length":
            raise RuntimeError(f"{self._url}: an answer ended by itself: {reason}")
        return Answer("".join(pieces), first, time.perf_counter() - began)

    async def together(self, questions: Iterable[Question]) -> tuple[list[Answer], float]:
        """Asks all at once; the answers and the seconds of all."""
        began = time.perf_counter()
        answers = await asyncio.gather(*(self.ask(question) for question in questions))
        return answers, time.perf_counter() - began


@asynccontextmanager
async def clients(*systems: System) -> AsyncIterator[list[Client]]:
    """A client for each, without bounds of its own."""
    # A connection a request: llama.cpp's server ends them after an answer.
    connector = aiohttp.TCPConnector(limit=0, force_close=True)
    async with aiohttp.ClientSession(
        timeout=aiohttp.ClientTimeout(total=900), connector=connector
    ) as session:
        yield [Client(system, session) for system in systems]
