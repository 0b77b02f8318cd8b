"""The images container over a real socket, with a painter that needs no weights."""

from __future__ import annotations

import asyncio
import dataclasses
import io
import threading
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import grpc
import pytest
from PIL import Image

from orfeon.api.images.v1 import images_pb2 as pb
from orfeon.api.images.v1 import images_pb2_grpc
from services.images import requests
from services.images.__main__ import IMAGES
from services.images.engine import ImageRequest, Painter, Piece, Step
from services.images.fake_engine import FakeImagesEngine, FakePainter
from services.images.originals import opened_original
from services.images.settings import ImagesSettings
from services.runtime.context import RequestContext
from services.runtime.errors import (
    Cancelled,
    InsufficientStorage,
    InvalidRequest,
    ModelNotFound,
    NotFound,
    OrfeonError,
)
from services.runtime.manifest import Manifest
from services.runtime.residency.placement import Placement
from services.runtime.server import Capability
from services.runtime.status import error_of
from services.runtime.worker import Cancellation
from tests.fakes.container import running
from tests.fakes.gateway import eventually
from tests.pictures import picture_file

MODEL = """
name: tiny
capability: images
engine: diffusers
tasks: [image-generation, image-edit, image-variation]
default: true
owned_by: orfeon
licence: Apache-2.0
memory_bytes: 1000
files: {}
options: {size: 128, steps: 4, quality_steps: {low: 1}, guidance: 2.0, styles: {vivid: bright}}
"""

if TYPE_CHECKING:
    Stub = images_pb2_grpc.ImagesServiceAsyncStub


def settings(tmp_path: Path, **more: Any) -> ImagesSettings:
    chosen = {"address": f"unix:{tmp_path / 's'}", "engine": "fake", "max_side": 512, **more}
    return ImagesSettings(ORFEON_HOME=tmp_path / "home", **chosen)


def with_model(tmp_path: Path) -> Capability[Painter, ImagesSettings]:
    (tmp_path / "models" / "tiny").mkdir(parents=True)
    (tmp_path / "models" / "tiny" / "model.yaml").write_text(MODEL)
    return dataclasses.replace(IMAGES, models=tmp_path / "models")


@pytest.fixture
async def stub(tmp_path: Path) -> AsyncIterator[Stub]:
    async with running(with_model(tmp_path), settings(tmp_path)) as channel:
        yield images_pb2_grpc.ImagesServiceStub(channel)


async def events(call: Any) -> list[pb.Event]:
    return [response.event async for response in call]


async def generated(stub: Stub, prompt: str = "a cat", **options: Any) -> list[pb.Event]:
    request = pb.GenerateRequest(prompt=prompt, options=pb.Options(**options))
    return await events(stub.Generate(request))


async def refusal(call: Any) -> OrfeonError:
    with pytest.raises(grpc.aio.AioRpcError) as failed:
        await events(call)
    return error_of(failed.value)


def images(told: list[pb.Event], kind: str = "image") -> list[tuple[pb.Image, Image.Image]]:
    """The last part of each image, and the image."""
    found: list[tuple[pb.Image, Image.Image]] = []
    data = b""
    for each in told:
        if each.WhichOneof("event") == kind:
            part = getattr(each, kind)
            data += part.data
            if part.last:
                found.append((part, Image.open(io.BytesIO(data))))
                data = b""
    assert data == b""
    return found


async def test_images_come_with_their_steps_and_seeds(stub: Stub) -> None:
    told = await generated(stub, count=2, seed=7, partial_images=1)
    assert told[0].started == pb.Started(
        model="tiny", count=2, width=128, height=128, steps=4, seed=7
    )
    assert told[-1].finished == pb.Finished(count=2)
    steps = [each.progress for each in told if each.HasField("progress")]
    assert [(one.image, one.step) for one in steps] == [(i, s) for i in (0, 1) for s in range(5)]
    finished = images(told)
    assert [(part.index, part.seed) for part, _ in finished] == [(0, 7), (1, 8)]
    assert all(picture.size == (128, 128) for _, picture in finished)
    partial = images(told, "partial_image")
    assert [(part.index, part.partial) for part, _ in partial] == [(0, 0), (1, 0)]


async def test_each_image_of_several_is_the_one_that_its_seed_gives_alone(stub: Stub) -> None:
    both = images(await generated(stub, count=2, seed=7))
    ((_, alone),) = images(await generated(stub, seed=8))
    assert both[1][1].tobytes() == alone.tobytes()
    assert both[0][1].tobytes() != alone.tobytes()


@pytest.mark.parametrize(
    ("kind", "compression", "name"),
    [("UNSPECIFIED", None, "PNG"), ("JPEG", 20, "JPEG"), ("WEBP", 90, "WEBP")],
)
async def test_files_of_every_format_are_sent_in_parts(
    stub: Stub, kind: str, compression: int | None, name: str
) -> None:
    chosen = pb.ImageFormat.Value(f"IMAGE_FORMAT_{kind}")
    told = await generated(stub, format=chosen, compression=compression, width=512, height=264)
    ((_, picture),) = images(told)
    picture.load()
    assert (picture.format, picture.size) == (name, (512, 264))


REFUSED: list[tuple[dict[str, Any], str]] = [
    ({"count": 11}, "n"),
    ({"count": -1}, "n"),
    ({"width": 60, "height": 64}, "size"),
    ({"width": 64}, "size"),
    ({"width": 520, "height": 64}, "size"),
    ({"width": 65, "height": 65}, "size"),
    ({"steps": 151}, "steps"),
    ({"steps": -1}, "steps"),
    ({"quality": 9}, "quality"),
    ({"seed": -1}, "seed"),
    ({"seed": 2**63 - 1}, "seed"),
    ({"guidance": 31}, "guidance"),
    ({"guidance": float("nan")}, "guidance"),
    ({"negative_prompt": "dogs", "guidance": 1}, "negative_prompt"),
    ({"negative_prompt": "d" * 32_001}, "negative_prompt"),
    ({"style": "natural"}, "style"),
    ({"format": 9}, "output_format"),
    ({"compression": 50}, "output_compression"),
    ({"format": 2, "compression": 101}, "output_compression"),
    ({"partial_images": 4}, "partial_images"),
    ({"delivery": 9}, "response_format"),
]


async def test_what_makes_no_sense_is_refused_by_name(stub: Stub) -> None:
    for options, param in REFUSED:
        request = pb.GenerateRequest(prompt="a cat", options=pb.Options(**options))
        error = await refusal(stub.Generate(request))
        assert (type(error), error.param) == (InvalidRequest, param), options


@pytest.mark.parametrize("prompt", ["", " \n", "a" * 32_001])
async def test_a_prompt_says_something_and_not_too_much(stub: Stub, prompt: str) -> None:
    error = await refusal(stub.Generate(pb.GenerateRequest(prompt=prompt)))
    assert (type(error), error.param) == (InvalidRequest, "prompt")


async def test_quality_chooses_the_steps_and_steps_go_before_it(stub: Stub) -> None:
    wishes: list[dict[str, Any]] = [{"quality": 1}, {"quality": 3}, {"quality": 1, "steps": 3}]
    low, high, own = [(await generated(stub, **wish))[0].started.steps for wish in wishes]
    assert (low, high, own) == (1, 4, 3)


async def test_a_style_adds_its_words(stub: Stub) -> None:
    ((_, styled),) = images(await generated(stub, style="vivid", seed=1))
    ((_, said),) = images(await generated(stub, "a cat, bright", seed=1))
    assert styled.tobytes() == said.tobytes()


async def test_a_picture_is_changed_where_it_or_its_mask_is_transparent(stub: Stub) -> None:
    red = Image.new("RGBA", (100, 50), "red")
    half = red.copy()
    half.paste((0, 0, 0, 0), (50, 0, 100, 50))
    for request in (
        pb.EditRequest(prompt="sea", image=picture_file(half)),
        pb.EditRequest(prompt="sea", image=picture_file(red), mask=picture_file(half)),
    ):
        ((_, made),) = images(await events(stub.Edit(request)))
        # The shape of the picture, as many pixels as the model's own square.
        assert made.size == (184, 88)
        assert made.getpixel((10, 20)) == (255, 0, 0)
        assert made.getpixel((170, 40)) != (255, 0, 0)


async def test_a_variation_is_like_its_picture(stub: Stub) -> None:
    request = pb.VaryRequest(image=picture_file(Image.new("RGB", (64, 64), "red")), strength=0.01)
    ((_, made),) = images(await events(stub.Vary(request)))
    assert made.getpixel((5, 5))[0] > 250  # type: ignore[index]


@pytest.mark.parametrize(
    ("image", "mask", "param"),
    [
        (b"", b"", "image"),
        (b"no picture", b"", "image"),
        (bytes(10_000_001), b"", "image"),
        ("RGB", b"no picture", "mask"),
        ("RGB", "RGB", "mask"),
        ("RGB", "opaque", "mask"),
        ("RGB", "small", "mask"),
        ("RGB", bytes(4_000_001), "mask"),
    ],
)
async def test_pictures_that_are_none_are_refused(
    stub: Stub, image: str | bytes, mask: str | bytes, param: str
) -> None:
    files = {
        "RGB": picture_file(Image.new("RGB", (64, 64), "red")),
        "opaque": picture_file(Image.new("RGBA", (64, 64), (1, 2, 3, 254))),
        "small": picture_file(Image.new("RGBA", (32, 64))),
    }
    sent = [each if isinstance(each, bytes) else files[each] for each in (image, mask)]
    error = await refusal(stub.Edit(pb.EditRequest(prompt="sea", image=sent[0], mask=sent[1])))
    assert (type(error), error.param) == (InvalidRequest, param)


@pytest.mark.parametrize("strength", [0, -1, 1.5, float("nan")])
async def test_strength_is_a_share(stub: Stub, strength: float) -> None:
    image = picture_file(Image.new("RGB", (64, 64)))
    error = await refusal(stub.Vary(pb.VaryRequest(image=image, strength=strength)))
    assert error.param == "strength"


async def test_an_image_is_kept_for_who_knows_its_name(stub: Stub) -> None:
    told = await generated(stub, delivery=pb.DELIVERY_FILE, seed=3)
    ((_, alone),) = images(await generated(stub, seed=3))
    (kept,) = [each.stored for each in told if each.HasField("stored")]
    assert not images(told)
    first, *rest = [part async for part in stub.GetFile(pb.GetFileRequest(file_id=kept.file_id))]
    assert (first.file.media_type, first.file.expires_at) == ("image/png", kept.expires_at)
    data = b"".join(part.data for part in rest)
    assert first.file.size == len(data)
    assert Image.open(io.BytesIO(data)).tobytes() == alone.tobytes()
    for name in ("", "x" * 43, "../../etc/passwd", kept.file_id[:-1]):
        with pytest.raises(grpc.aio.AioRpcError) as failed:
            _ = [part async for part in stub.GetFile(pb.GetFileRequest(file_id=name))]
        assert isinstance(error_of(failed.value), NotFound)


async def test_kept_images_go_when_their_time_has_come(tmp_path: Path) -> None:
    chosen = settings(tmp_path, url_seconds=5)
    async with running(with_model(tmp_path), chosen) as channel:
        stub: Stub = images_pb2_grpc.ImagesServiceStub(channel)
        await generated(stub, delivery=pb.DELIVERY_FILE)
        folder = tmp_path / "home" / "images"
        assert len(list(folder.iterdir())) == 1

        async def gone() -> bool:
            return not list(folder.iterdir())

        await eventually(gone)


async def test_no_more_is_kept_than_there_is_room_for(tmp_path: Path) -> None:
    async with running(with_model(tmp_path), settings(tmp_path, url_bytes=1000)) as channel:
        stub: Stub = images_pb2_grpc.ImagesServiceStub(channel)
        request = pb.GenerateRequest(
            prompt="a cat", options=pb.Options(delivery=pb.DELIVERY_FILE, count=10)
        )
        assert isinstance(await refusal(stub.Generate(request)), InsufficientStorage)
        assert images(await generated(stub))


async def test_one_key_fills_no_more_than_its_share(tmp_path: Path) -> None:
    chosen = settings(tmp_path, url_bytes=200_000, url_share=0.01)
    async with running(with_model(tmp_path), chosen) as channel:
        stub: Stub = images_pb2_grpc.ImagesServiceStub(channel)
        request = pb.GenerateRequest(
            prompt="a cat", options=pb.Options(delivery=pb.DELIVERY_FILE, count=10)
        )
        kept = []
        for key in ("alice", "bob"):
            metadata = RequestContext("req", key).metadata()
            error = await refusal(stub.Generate(request, metadata=metadata))
            assert isinstance(error, InsufficientStorage)
            assert "your images" in error.message
            kept.append(len(list((tmp_path / "home" / "images").iterdir())))
        assert 0 < kept[0] < kept[1]


async def test_without_a_model_it_is_said_how_to_add_one_and_one_that_comes_is_found(
    tmp_path: Path,
) -> None:
    async with running(IMAGES, settings(tmp_path)) as channel:
        stub: Stub = images_pb2_grpc.ImagesServiceStub(channel)
        for name in ("", "dall-e-3"):
            request = pb.GenerateRequest(prompt="a cat", options=pb.Options(model=name))
            error = await refusal(stub.Generate(request))
            assert isinstance(error, ModelNotFound)
            assert "docs/images.md" in error.message
        folder = tmp_path / "home" / "models" / "tiny"
        folder.mkdir(parents=True)
        (folder / "model.yaml").write_text(MODEL)
        assert images(await generated(stub))


class Held(FakePainter):
    """Waits after the first step until it is cancelled."""

    def __init__(self) -> None:
        self.ended = threading.Event()

    def paint(self, request: ImageRequest, cancelled: Cancellation) -> Iterator[Piece]:
        yield Step(0, 0, request.steps)
        yield Step(0, 1, request.steps)
        while not cancelled.is_set:
            self.ended.wait(0.005)
        self.ended.set()
        raise Cancelled("The request was cancelled.")


def held_by(held: Held) -> Capability[Painter, ImagesSettings]:
    """The container with that painter."""

    class Engine(FakeImagesEngine):
        def load(self, manifest: Manifest, folder: Path, placement: Placement) -> Painter:
            return held

    return dataclasses.replace(IMAGES, engines={**IMAGES.engines, "fake": lambda _: Engine()})


async def test_who_leaves_ends_the_work(tmp_path: Path) -> None:
    held = Held()
    capability = dataclasses.replace(held_by(held), models=with_model(tmp_path).models)
    async with running(capability, settings(tmp_path)) as channel:
        stub: Stub = images_pb2_grpc.ImagesServiceStub(channel)
        call = stub.Generate(pb.GenerateRequest(prompt="a cat"))
        await anext(aiter(call))
        call.cancel()
        assert await asyncio.to_thread(held.ended.wait, 10)


async def test_options_of_a_model_that_are_wrong_are_told(tmp_path: Path) -> None:
    capability = with_model(tmp_path)
    path = tmp_path / "models" / "tiny" / "model.yaml"
    path.write_text(MODEL.replace("size: 128", "size: 60"))
    async with running(capability, settings(tmp_path)) as channel:
        stub: Stub = images_pb2_grpc.ImagesServiceStub(channel)
        error = await refusal(stub.Generate(pb.GenerateRequest(prompt="a cat")))
    assert "options.size" in error.message


async def test_pictures_are_opened_one_after_the_other(
    stub: Stub, monkeypatch: pytest.MonkeyPatch
) -> None:
    lock, inside, most = threading.Lock(), 0, 0

    def counted(data: bytes) -> Image.Image:
        nonlocal inside, most
        with lock:
            inside += 1
            most = max(most, inside)
        picture = opened_original(data)
        with lock:
            inside -= 1
        return picture

    monkeypatch.setattr(requests, "opened_original", counted)
    large = picture_file(Image.new("RGB", (3000, 3000)))
    varied = pb.VaryRequest(image=large, options=pb.Options(width=64, height=64, steps=1))
    await asyncio.gather(*(events(stub.Vary(varied)) for _ in range(4)))
    assert most == 1
