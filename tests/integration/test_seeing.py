"""A conversation with pictures, through the chat container and the gateway, on real engines."""

import base64
import json
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import pytest
import yaml

from gateway.keystore import KeyStore
from orfeon.api.chat.v1 import chat_pb2 as pb
from orfeon.api.chat.v1 import chat_pb2_grpc
from services.chat.__main__ import CHAT
from services.chat.settings import ChatSettings
from services.runtime.llama.generation import Image
from tests import seeing
from tests.fakes.container import running
from tests.fakes.gateway import running as gateway
from tests.fakes.gateway import settings_for

ONE, OTHER = seeing.picture(1), seeing.picture(2)
MODELS = {
    "tiny-llava": (["chat", "vision"], ["model.gguf", "mmproj.gguf"]),
    "blind": (["chat"], ["model.gguf"]),
}


def install(home: Path) -> None:
    """The tiny model with and without its projector, among the user's own models."""
    for name, (tasks, files) in MODELS.items():
        folder = seeing.llava(home / "models" / name)
        described: dict[str, Any] = {
            "name": name, "capability": "chat", "engine": "llama-cpp", "tasks": tasks,
            "owned_by": "tests", "licence": "Apache-2.0", "memory_bytes": 50_000_000,
            "files": {file: {"sources": [{"local": file}]} for file in files},
            "options": {"sampling": {"temperature": 0.0}},
        }  # fmt: skip
        (folder / "model.yaml").write_text(yaml.safe_dump(described))


@dataclass
class Scene:
    """The container and, before it, the gateway."""

    chat: "chat_pb2_grpc.ChatServiceAsyncStub"
    http: httpx.AsyncClient


@pytest.fixture
async def scene(tmp_path: Path) -> AsyncIterator[Scene]:
    home = tmp_path / "home"
    install(home)
    address = f"unix:{tmp_path / 's'}"
    settings = ChatSettings(ORFEON_HOME=home, address=address, device="cpu", threads=1)
    chosen = settings_for(tmp_path, address)
    keys = KeyStore(chosen.database_url)
    _, secret = keys.create("test")
    async with (
        running(CHAT, settings, load=False) as channel,
        gateway(chosen, keys) as url,
        httpx.AsyncClient(
            base_url=url, headers={"authorization": f"Bearer {secret}"}, timeout=60
        ) as http,
    ):
        yield Scene(chat_pb2_grpc.ChatServiceStub(channel), http)
    keys.close()


def request(*pictures: Image, model: str = "tiny-llava") -> pb.ChatCompletionRequest:
    parts = [pb.ContentPart(text="What is this?")]
    parts += [pb.ContentPart(image=picture.data) for picture in pictures]
    return pb.ChatCompletionRequest(
        model=model,
        messages=[pb.Message(role=pb.ROLE_USER, content=parts)],
        options=pb.GenerationOptions(max_tokens=16),
    )


def body(*pictures: Image, **rest: Any) -> dict[str, Any]:
    urls = [base64.b64encode(picture.data).decode() for picture in pictures]
    content: list[dict[str, Any]] = [{"type": "text", "text": "What is this?"}]
    content += [
        {"type": "image_url", "image_url": {"url": f"data:image/png;base64,{url}"}} for url in urls
    ]
    messages = [{"role": "user", "content": content}]
    return {"model": "tiny-llava", "messages": messages, "max_tokens": 16} | rest


async def test_pictures_are_seen_and_counted(scene: Scene) -> None:
    one, again, other = [
        await scene.chat.ChatCompletion(request(picture)) for picture in (ONE, ONE, OTHER)
    ]
    without = await scene.chat.ChatCompletion(request())
    assert one.choices[0].text
    assert one.choices[0].text == again.choices[0].text
    assert one.choices[0].text != other.choices[0].text
    assert one.usage.prompt_tokens == without.usage.prompt_tokens + 16
    assert again.usage.cached_tokens == one.usage.prompt_tokens - 1


@pytest.mark.parametrize("route", ["/v1/chat/completions", "/v1/vision"])
async def test_over_http_it_is_the_same(scene: Scene, route: str) -> None:
    direct = await scene.chat.ChatCompletion(request(ONE, OTHER))
    answered = await scene.http.post(route, json=body(ONE, OTHER))
    assert answered.status_code == 200, answered.text
    whole = answered.json()
    assert whole["choices"][0]["message"]["content"] == direct.choices[0].text
    assert whole["usage"]["prompt_tokens"] == direct.usage.prompt_tokens
    streamed = await scene.http.post(route, json=body(ONE, OTHER, stream=True))
    events = [json.loads(line[6:]) for line in streamed.text.split("\n\n") if line[:7] == "data: {"]
    text = "".join(event["choices"][0]["delta"].get("content") or "" for event in events)
    assert text == direct.choices[0].text


async def test_without_a_name_a_model_answers_that_sees(scene: Scene) -> None:
    named = await scene.http.post("/v1/vision", json=body(ONE))
    nameless = await scene.http.post("/v1/vision", json=body(ONE, model=""))
    assert nameless.json()["model"] == "tiny-llava"
    assert nameless.json()["choices"] == named.json()["choices"]
    listed = await scene.http.get("/v1/models", params={"task": "vision"})
    assert {model["id"] for model in listed.json()["data"]} == {"tiny-llava"}


async def test_a_photograph_as_large_as_those_of_telephones_is_seen(scene: Scene) -> None:
    photograph = seeing.picture(1, (1400, 1400))
    assert len(photograph.data) > 5_500_000
    answered = await scene.http.post("/v1/chat/completions", json=body(photograph))
    assert answered.status_code == 200, answered.text


async def test_a_model_that_cannot_see_says_so(scene: Scene) -> None:
    answered = await scene.http.post("/v1/chat/completions", json=body(ONE, model="blind"))
    assert answered.status_code == 400
    assert answered.json()["error"]["param"] == "messages"
    assert "cannot see" in answered.json()["error"]["message"]


@pytest.mark.parametrize("data", [ONE.data[:400], b"GIF89a" + bytes(40), b"\xff" * 1000])
async def test_what_is_no_picture_is_refused(scene: Scene, data: bytes) -> None:
    answered = await scene.http.post("/v1/chat/completions", json=body(Image(data)))
    assert answered.status_code == 400
    assert "send a whole PNG, JPEG or WebP" in answered.json()["error"]["message"]
