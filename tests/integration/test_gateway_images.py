"""`/v1/images/*` before the images container with an engine that needs no weights."""

import asyncio
import base64
import io
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest
from openai import AsyncOpenAI
from PIL import Image
from typer.testing import CliRunner

from gateway.keystore import KeyStore
from gateway.settings import Capability as GatewayCapability
from orfeon import AsyncOrfeon, NotFoundError, Orfeon
from orfeon.cli.app import app
from services.images.__main__ import IMAGES
from services.images.engine import Painter
from services.images.settings import ImagesSettings
from services.runtime.server import Capability
from tests.fakes import container
from tests.fakes.gateway import error_of, eventually, running, settings_for
from tests.integration.test_images_service import MODEL, Held, held_by
from tests.pictures import picture_file

GENERATIONS, EDITS, VARIATIONS = (
    f"/v1/images/{name}" for name in ("generations", "edits", "variations")
)
RED = picture_file(Image.new("RGB", (128, 128), "red"))


class Front:
    """A gateway with a key, before the images container."""

    def __init__(self, url: str, secret: str, keys: KeyStore) -> None:
        self.url = url
        self.secret = secret
        self.keys = keys

    @property
    def http(self) -> httpx.AsyncClient:
        headers = {"authorization": f"Bearer {self.secret}"}
        return httpx.AsyncClient(base_url=self.url, headers=headers, timeout=10)

    @property
    def openai(self) -> AsyncOpenAI:
        return AsyncOpenAI(base_url=f"{self.url}/v1", api_key=self.secret, max_retries=0)


@asynccontextmanager
async def fronted(
    tmp_path: Path, capability: Capability[Painter, ImagesSettings] = IMAGES, **more: Any
) -> AsyncIterator[Front]:
    """A front with the tiny model; `more` are settings of the gateway."""
    folder = tmp_path / "models" / "tiny"
    folder.mkdir(parents=True)
    (folder / "model.yaml").write_text(MODEL)
    address = f"unix:{tmp_path}/s"
    service = ImagesSettings(ORFEON_HOME=tmp_path, address=address, engine="fake")
    upstreams: dict[GatewayCapability, str] = {"images": address}
    chosen = settings_for(tmp_path, **more).model_copy(update={"upstreams": upstreams})
    keys = KeyStore(chosen.database_url, cache_seconds=0.2)
    _, secret = keys.create("test")
    async with container.running(capability, service), running(chosen, keys) as url:
        yield Front(url, secret, keys)
    keys.close()


@pytest.fixture
async def front(tmp_path: Path) -> AsyncIterator[Front]:
    async with fronted(tmp_path) as front:
        yield front


def opened(data: dict[str, Any]) -> Image.Image:
    return Image.open(io.BytesIO(base64.b64decode(data["b64_json"])))


def opened_file(path: Path) -> Image.Image:
    return Image.open(io.BytesIO(path.read_bytes()))


async def test_images_of_a_prompt(front: Front) -> None:
    wish = {
        "model": "tiny", "prompt": "a cat", "n": 2, "size": "256x128", "quality": "low", "seed": 7,
        "guidance": 3, "negative_prompt": "dogs", "style": "vivid", "background": "opaque",
        "output_format": "webp", "output_compression": 100, "user": "me", "moderation": "low",
        "priority": 2,
    }  # fmt: skip
    async with front.http as client:
        response = await client.post(GENERATIONS, json=wish)
    assert response.status_code == 200, response.text
    assert response.headers["x-request-priority"] == "2"
    body = response.json()
    assert body.pop("created") > 1_700_000_000
    data = body.pop("data")
    assert body == {
        "model": "tiny", "background": "opaque", "output_format": "webp", "size": "256x128",
        "steps": 1,
    }  # fmt: skip
    assert [each["seed"] for each in data] == [7, 8]
    assert [(opened(each).format, opened(each).size) for each in data] == [("WEBP", (256, 128))] * 2


async def test_multais_names_are_the_same(front: Front) -> None:
    wish = {"prompt": "a cat", "number_of_images": 2, "number_of_steps": 3, "seed": 1}
    async with front.http as client:
        response = await client.post(GENERATIONS, json=wish)
        agreeing = await client.post(GENERATIONS, json={**wish, "n": 2, "steps": 3})
    assert (len(response.json()["data"]), response.json()["steps"]) == (2, 3)
    assert agreeing.json()["data"] == response.json()["data"]


REFUSED: list[tuple[dict[str, Any], str]] = [
    ({"prompt": ""}, "prompt"),
    ({"prompt": " "}, "prompt"),
    ({"prompt": None}, "prompt"),
    ({"prompt": "a" * 32_001}, "prompt"),
    ({"n": 0}, "n"),
    ({"n": 11}, "n"),
    ({"n": 1, "number_of_images": 2}, "number_of_images"),
    ({"steps": 1, "number_of_steps": 2}, "number_of_steps"),
    ({"steps": 151}, "steps"),
    ({"size": "big"}, "size"),
    ({"size": "0x0"}, "size"),
    ({"size": "100x100"}, "size"),
    ({"size": "99999x99999"}, "size"),
    ({"quality": "best"}, "quality"),
    ({"style": "natural"}, "style"),
    ({"background": "transparent"}, "background"),
    ({"output_format": "gif"}, "output_format"),
    ({"output_compression": 50}, "output_compression"),
    ({"response_format": "url", "stream": True}, "response_format"),
    ({"partial_images": 1}, "partial_images"),
    ({"progress": True}, "progress"),
    ({"partial_images": 4, "stream": True}, "partial_images"),
    ({"seed": -1}, "seed"),
    ({"seed": 2**63}, "seed"),
    ({"guidance": 1, "negative_prompt": "dogs"}, "negative_prompt"),
]


async def test_what_makes_no_sense_is_refused_by_name(front: Front) -> None:
    async with front.http as client:
        for wish, param in REFUSED:
            response = await client.post(GENERATIONS, json={"prompt": "a cat", **wish})
            assert (response.status_code, error_of(response)["param"]) == (400, param), wish


async def test_images_as_events(front: Front) -> None:
    wish = {"prompt": "a cat", "n": 2, "seed": 1, "stream": True, "partial_images": 1}
    async with front.http as client:
        response = await client.post(GENERATIONS, json={**wish, "progress": True})
        quiet = await client.post(GENERATIONS, json=wish)
    assert response.headers["content-type"].startswith("text/event-stream")
    blocks = [block for block in response.text.split("\n\n") if block]
    assert blocks.pop() == "data: [DONE]"
    told = [json.loads(block.partition("data: ")[2]) for block in blocks]
    one = ["progress"] * 3 + ["partial_image"] + ["progress"] * 2 + ["completed"]
    assert [each["type"] for each in told] == [f"image_generation.{name}" for name in one * 2]
    assert told[2] == {"type": "image_generation.progress", "index": 0, "step": 2, "steps": 4}
    done = told[-1]
    assert (done["index"], done["seed"], done["size"]) == (1, 2, "128x128")
    assert done["usage"]["total_tokens"] == 0
    assert opened(done).size == (128, 128)
    assert "event: image_generation.completed\n" in quiet.text
    assert "image_generation.progress" not in quiet.text


async def test_an_address_works_without_a_key_and_says_when_it_ends(front: Front) -> None:
    async with front.http as client:
        response = await client.post(
            GENERATIONS, json={"prompt": "a cat", "seed": 1, "response_format": "url"}
        )
        (kept,) = response.json()["data"]
        again = await client.post(GENERATIONS, json={"prompt": "a cat", "seed": 1})
    assert kept["url"].startswith(f"{front.url}/v1/images/files/")
    assert 3500 < kept["expires_at"] - response.json()["created"] <= 3600
    async with httpx.AsyncClient() as anybody:
        fetched = await anybody.get(kept["url"])
        unknown = await anybody.get(f"{front.url}/v1/images/files/{'x' * 43}")
        longer = await anybody.get(f"{front.url}/v1/images/files/{'x' * 101}")
    assert fetched.content == base64.b64decode(again.json()["data"][0]["b64_json"])
    assert fetched.headers["content-type"] == "image/png"
    assert fetched.headers["content-length"] == str(len(fetched.content))
    assert fetched.headers["x-content-type-options"] == "nosniff"
    assert "immutable" in fetched.headers["cache-control"]
    assert (unknown.status_code, error_of(unknown)["code"]) == (404, "not_found")
    assert longer.status_code == 400


async def test_the_file_of_an_image_says_what_made_it_and_not_of_what(front: Front) -> None:
    async with front.http as client:
        response = await client.post(GENERATIONS, json={"prompt": "zebra", "seed": 9})
    data = base64.b64decode(response.json()["data"][0]["b64_json"])
    text = Image.open(io.BytesIO(data)).info
    assert text["Software"].startswith("Orfeón ")
    assert (text["Model"], text["Seed"], text["Comment"]) == ("tiny", "9", "Generated by AI")
    assert b"zebra" not in data


async def test_a_picture_is_changed_and_varied(front: Front) -> None:
    files = {"image": ("a.png", RED, "image/png")}
    half = Image.new("RGBA", (128, 128), "red")
    half.paste((0, 0, 0, 0), (64, 0, 128, 128))
    mask = {"mask": ("m.png", picture_file(half), "image/png")}
    async with front.http as client:
        edited = await client.post(
            EDITS, data={"prompt": "7", "n": "2", "seed": "1"}, files={**files, **mask}
        )
        varied = await client.post(VARIATIONS, data={"strength": "0.01"}, files=files)
    assert edited.status_code == 200, edited.text
    assert [each["seed"] for each in edited.json()["data"]] == [1, 2]
    picture = opened(edited.json()["data"][0])
    assert picture.getpixel((10, 64)) == (255, 0, 0)
    assert picture.getpixel((100, 64)) != (255, 0, 0)
    assert opened(varied.json()["data"][0]).getpixel((5, 5))[0] > 250  # type: ignore[index]


FORMS: list[tuple[dict[str, str], dict[str, bytes], int, str]] = [
    ({"prompt": "sea"}, {}, 400, "image"),
    ({"prompt": "sea", "image": "text"}, {}, 400, "image"),
    ({"prompt": "sea"}, {"image": b""}, 400, "image"),
    ({"prompt": "sea"}, {"image": b"no picture"}, 400, "image"),
    ({"prompt": "sea"}, {"image": bytes(10_000_001)}, 413, "image"),
    ({"prompt": "sea"}, {"image": RED, "mask": bytes(4_000_001)}, 413, "mask"),
    ({"prompt": "sea"}, {"image": RED, "mask": RED}, 400, "mask"),
    ({}, {"image": RED}, 400, "prompt"),
    ({"prompt": "sea", "n": "many"}, {"image": RED}, 400, "n"),
    ({"prompt": "sea", "strength": "2"}, {"image": RED}, 400, "strength"),
]


async def test_forms_that_make_no_sense_are_refused_by_name(front: Front) -> None:
    async with front.http as client:
        for form, files, status, param in FORMS:
            sent = {name: (f"{name}.png", data, "image/png") for name, data in files.items()}
            other = {"other": ("a", b"b", "text/plain")}
            response = await client.post(EDITS, data=form, files=sent or other)
            assert (response.status_code, error_of(response)["param"]) == (status, param), form


async def test_several_pictures_are_refused(front: Front) -> None:
    files = [("image[]", (f"{number}.png", RED, "image/png")) for number in range(2)]
    async with front.http as client:
        response = await client.post(EDITS, data={"prompt": "sea"}, files=files)
    assert (response.status_code, error_of(response)["param"]) == (400, "image")


async def test_a_key_needs_the_scope(front: Front) -> None:
    _, front.secret = front.keys.create("talker", scopes=["chat"])
    async with front.http as client:
        response = await client.post(GENERATIONS, json={"prompt": "a cat"})
        edited = await client.post(EDITS, data={"prompt": "a"}, files={"image": RED})
    assert (response.status_code, edited.status_code) == (403, 403)


async def test_no_model_is_404_and_says_what_to_do(front: Front, tmp_path: Path) -> None:
    async with front.http as client:
        response = await client.post(GENERATIONS, json={"prompt": "a cat", "model": "dall-e-3"})
    assert (response.status_code, error_of(response)["code"]) == (404, "model_not_found")


@pytest.mark.parametrize("stream", [False, True])
async def test_who_leaves_is_seen_in_the_queue_until_the_next_step(
    tmp_path: Path, stream: bool
) -> None:
    held = Held()
    async with fronted(tmp_path, held_by(held)) as front, front.http as client:

        async def queued() -> list[Any]:
            entries: list[Any] = (await client.get("/v1/queue")).json()["data"]
            return entries

        async def running() -> bool:
            return len(await queued()) == 1

        async def gone() -> bool:
            return await queued() == []

        wish = {"prompt": "a cat", "stream": stream}
        asking = asyncio.create_task(client.post(GENERATIONS, json=wish))
        await eventually(running)
        asking.cancel()
        await eventually(gone)
        assert held.ended.is_set()


async def test_addresses_begin_where_clients_find_the_gateway(tmp_path: Path) -> None:
    wish = {"prompt": "a cat", "response_format": "url"}
    public_url = "https://orfeon.example.org/"
    async with fronted(tmp_path, public_url=public_url) as front, front.http as client:
        response = await client.post(GENERATIONS, json=wish)
    (kept,) = response.json()["data"]
    assert kept["url"].startswith("https://orfeon.example.org/v1/images/files/")


async def test_openais_own_client_does_all_of_it(front: Front) -> None:
    async with front.openai as client:
        made = await client.images.generate(
            model="tiny", prompt="a cat", n=2, size="256x256", response_format="b64_json"
        )
        kept = await client.images.generate(prompt="a cat", response_format="url")
        edited = await client.images.edit(
            image=RED, prompt="sea", mask=picture_file(Image.new("RGBA", (128, 128)))
        )
        with pytest.deprecated_call():
            varied = await client.images.create_variation(image=RED, n=1, size="256x256")
        stream = await client.images.generate(
            prompt="a cat", stream=True, partial_images=2, quality="high", model="tiny"
        )
        told = [each async for each in stream]
        models = await client.models.list()
    assert made.data is not None
    assert [opened(each.to_dict()).size for each in made.data] == [(256, 256)] * 2
    assert kept.data is not None
    assert kept.data[0].url is not None
    async with httpx.AsyncClient() as anybody:
        assert (await anybody.get(kept.data[0].url)).status_code == 200
    for each in (edited, varied):
        assert each.data is not None
        assert each.data[0].b64_json
    assert [each.type.rpartition(".")[2] for each in told] == ["partial_image"] * 2 + ["completed"]
    assert [model.id for model in models.data] == ["tiny"]


async def test_the_client_of_ours(front: Front, tmp_path: Path) -> None:
    async with AsyncOrfeon(front.url, front.secret) as client:
        first, second = await client.images.generate("a cat", n=2, seed=7, size="256x128")
        assert (first.seed, second.seed, first.model) == (7, 8, "tiny")
        assert Image.open(io.BytesIO(first.content)).size == (256, 128)
        (edited,) = await client.images.edit(RED, "sea", mask=None, seed=1, strength=0.5)
        (varied,) = await client.images.vary(RED, seed=1)
        assert edited.content != varied.content
        with pytest.raises(NotFoundError):
            await client.images.generate("a cat", model="nobody")


async def test_the_command_writes_files(front: Front, tmp_path: Path) -> None:
    def run(*arguments: str) -> Any:
        options = ("--base-url", front.url, "--api-key", front.secret, "--home", str(tmp_path))
        return CliRunner().invoke(app, ["image", *arguments, *options])

    one, several = tmp_path / "cat.png", tmp_path / "cats.jpg"
    done = await asyncio.to_thread(run, "a cat", "-o", str(one), "--seed", "7")
    assert done.exit_code == 0, done.stderr
    assert done.stderr == "seed 7\n"
    assert opened_file(one).format == "PNG"
    done = await asyncio.to_thread(run, "cats", "-o", str(several), "--n", "2", "--seed", "7")
    assert done.exit_code == 0, done.stderr
    assert done.stderr == "seeds 7 to 8\n"
    assert opened_file(tmp_path / "cats-1.jpg").format == "JPEG"
    assert opened_file(tmp_path / "cats-2.jpg").format == "JPEG"
    start = ("-o", str(one), "--start", str(several.with_name("cats-1.jpg")))
    done = await asyncio.to_thread(run, "a sea", *start)
    assert done.exit_code == 0, done.stderr
    bad = await asyncio.to_thread(run, "a cat", "-o", str(tmp_path / "cat.doc"))
    assert (bad.exit_code, "does not tell the format" in bad.stderr) == (1, True)


def test_the_clients_have_the_same_methods() -> None:
    with Orfeon("http://127.0.0.1:1", "key") as client:
        own = {name for name in dir(client.images) if not name.startswith("_")}
    assert own == {"generate", "edit", "vary"}
