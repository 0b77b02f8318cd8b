"""SDXL in a real Triton server: the same images as in this process, for whoever asks."""

import dataclasses
import queue
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image
from tritonclient.grpc import InferenceServerClient, InferInput
from tritonclient.utils import InferenceServerException

from orfeon.api.images.v1 import images_pb2 as pb
from orfeon.api.images.v1 import images_pb2_grpc
from services.images.__main__ import IMAGES, triton
from services.images.diffusers_engine import DiffusersEngine
from services.images.engine import ImageRequest, Painter, Painting, Piece, Preview, Step
from services.images.settings import ImagesSettings
from services.runtime.errors import Cancelled, InvalidRequest, OrfeonError
from services.runtime.triton.failures import error_of
from services.runtime.worker import Cancellation
from tests.fakes.container import running
from tests.integration.test_images_service import events, images
from tests.integration.triton_server import running_triton
from tests.pictures import picture_file
from tests.placed import on_cpu
from tests.tiny_sdxl import LONGEST, installed_sdxl

# diffusers hands torch's tensors to NumPy in a way that NumPy 2 deprecates.
pytestmark = pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")

NAME, MODEL = "images_sdxl_turbo", "sdxl-turbo"
WISH = ImageRequest(seeds=(7, 8), width=64, height=72, steps=3, guidance=0.0, prompt="a cat")
RED = Image.new("RGB", (64, 72), "red")
HALF = Image.new("L", (64, 72))
HALF.paste(255, (32, 0, 64, 72))


@dataclasses.dataclass
class Both:
    """The model here, the same one on the server, and where that is."""

    here: Painter
    there: Painter
    home: Path
    url: str


@pytest.fixture(scope="module")
def both(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Both]:
    tmp_path = tmp_path_factory.mktemp("triton")
    home = tmp_path / "home"
    manifest, folder = installed_sdxl(home, MODEL, triton_model=NAME)
    environment = {"ORFEON_HOME": str(home), "ORFEON_IMAGES_THREADS": "1"}
    with running_triton(tmp_path, environment) as url:
        here = DiffusersEngine(device="cpu", threads=1).load(manifest, folder, on_cpu(manifest))
        settings = ImagesSettings(ORFEON_HOME=home, triton_url=url)
        there = triton(settings).load(manifest, Path(), on_cpu(manifest))
        yield Both(here, there, home, url)
        there.close()
        here.close()


def pieces(painter: Painter, **fields: Any) -> list[Piece]:
    return list(painter.paint(dataclasses.replace(WISH, **fields), Cancellation()))


def pictures(found: list[Piece]) -> list[NDArray[np.uint8]]:
    return [np.asarray(each.picture) for each in found if isinstance(each, Preview | Painting)]


@pytest.mark.parametrize(
    "fields",
    [
        {"previews": 1},
        {"guidance": 3.3, "negative_prompt": "dogs", "seeds": (2**52,)},
        {"image": RED, "strength": 0.7, "prompt": ""},
        {"image": RED, "mask": HALF, "strength": 0.8},
    ],
)
def test_both_make_the_same_images_piece_by_piece(both: Both, fields: dict[str, Any]) -> None:
    here, there = pieces(both.here, **fields), pieces(both.there, **fields)
    told = [each for each in there if isinstance(each, Step)]
    assert told == [each for each in here if isinstance(each, Step)]
    assert [type(each) for each in there] == [type(each) for each in here]
    for found, expected in zip(pictures(there), pictures(here), strict=True):
        assert np.abs(found.astype(int) - expected).max() <= 1


def test_who_leaves_stops_the_work(both: Both) -> None:
    cancelled = Cancellation()
    found = both.there.paint(dataclasses.replace(WISH, steps=150, seeds=(1, 2, 3)), cancelled)
    assert isinstance(next(found), Step)
    assert isinstance(next(found), Step)
    cancelled.set()
    with pytest.raises(Cancelled):
        list(found)
    assert pictures(pieces(both.there, seeds=(1,)))


def test_what_is_asked_for_wrongly_is_refused_as_here(both: Both) -> None:
    told = []
    for painter in (both.here, both.there):
        with pytest.raises(InvalidRequest) as refused:
            pieces(painter, prompt="abc" * LONGEST)
        told.append(refused.value.message)
    assert told[0] == told[1]


REFUSED: list[tuple[bytes, dict[str, tuple[int, ...]], str]] = [
    (b"not JSON", {}, "REQUEST must be an EditRequest"),
    (b"\xff\xfe", {}, "REQUEST must be an EditRequest"),
    (b"{}", {}, "prompt"),
    (b'{"prompt": "a", "options": {"steps": 1000}}', {}, "steps"),
    (b'{"prompt": "a", "options": {"width": 8000, "height": 8000}}', {}, "size"),
    (b'{"strength": 1}', {"IMAGE": (65, 65, 3)}, "IMAGE"),
    (b'{"strength": 1}', {"IMAGE": (0, 0, 3)}, "IMAGE"),
    (b'{"strength": 1}', {"IMAGE": (64, 64, 3), "MASK": (64, 72)}, "MASK"),
    (b"{}", {"IMAGE": (64, 64, 3)}, "strength"),
]


def refusal(url: str, sent: bytes, shapes: dict[str, tuple[int, ...]]) -> OrfeonError:
    """What the server itself says to a request, with black pictures of these shapes."""
    asked = InferInput("REQUEST", [1, 1], "BYTES")
    asked.set_data_from_numpy(np.array([[sent]], dtype=np.object_))
    inputs = [asked]
    for name, shape in shapes.items():
        tensor = InferInput(name, [1, *shape], "UINT8")
        tensor.set_data_from_numpy(np.zeros((1, *shape), np.uint8))
        inputs.append(tensor)
    answers: queue.SimpleQueue[InferenceServerException] = queue.SimpleQueue()
    with InferenceServerClient(url) as client:
        client.start_stream(lambda result, error: answers.put(error))
        client.async_stream_infer(NAME, inputs)
        return error_of(answers.get(timeout=30))


def test_what_makes_no_sense_is_refused_to_whoever_asks_the_server_itself(both: Both) -> None:
    for sent, shapes, told in REFUSED:
        refused = refusal(both.url, sent, shapes)
        assert isinstance(refused, InvalidRequest), (sent, refused)
        assert told in refused.message


async def test_the_service_gives_the_same_files_with_and_without_the_server(
    both: Both, tmp_path: Path
) -> None:
    made = []
    for engine in ("triton", ""):
        settings = ImagesSettings(
            ORFEON_HOME=both.home, address=f"unix:{tmp_path / f's{engine}'}", engine=engine,
            triton_url=both.url, threads=1,
        )  # fmt: skip
        async with running(IMAGES, settings, load=False) as channel:
            stub = images_pb2_grpc.ImagesServiceStub(channel)
            options = pb.Options(seed=7, count=2, width=64, height=72)
            request = pb.GenerateRequest(prompt="a cat", options=options)
            vary = pb.VaryRequest(image=picture_file(RED), options=options)
            made.append(
                [
                    *images(await events(stub.Generate(request))),
                    *images(await events(stub.Vary(vary))),
                ]
            )
    there, here = ([np.asarray(picture).astype(int) for _, picture in one] for one in made)
    assert len(there) == 4
    for found, expected in zip(there, here, strict=True):
        assert np.abs(found - expected).max() <= 1
