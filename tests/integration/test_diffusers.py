"""Images by diffusers, with SDXL of random weights that is saved and read again."""

import dataclasses
import json
import pickle
import shutil
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import diffusers
import numpy as np
import pytest
import torch
from PIL import Image
from safetensors.torch import load_file, save_file

from services.images.diffusers_engine import DiffusersEngine
from services.images.engine import ImageRequest, Painter, Painting, Piece, Preview, Step
from services.runtime.errors import Cancelled, InvalidRequest, ModelLoadFailed, OutOfMemory
from services.runtime.residency.placement import Placement
from services.runtime.worker import Cancellation
from tests.tiny_sdxl import LONGEST, manifest_of, tiny_sdxl

# diffusers hands torch's tensors to NumPy in a way that NumPy 2 deprecates.
pytestmark = pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")

HERE = Placement((("cpu", 1),), 0)
WISH = ImageRequest(
    seeds=(7,), width=64, height=64, steps=2, guidance=0.0, prompt="a cat that reads"
)
RED = Image.new("RGB", (64, 64), "red")


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tiny_sdxl(tmp_path_factory.mktemp("sdxl"))


@pytest.fixture(scope="module")
def engine() -> DiffusersEngine:
    return DiffusersEngine(device="cpu", threads=1)


@pytest.fixture(scope="module")
def painter(folder: Path, engine: DiffusersEngine) -> Iterator[Painter]:
    painter = engine.load(manifest_of(folder), folder, HERE)
    yield painter
    painter.close()


def painted(painter: Painter, **more: Any) -> list[Piece]:
    asked = dataclasses.replace(WISH, **more)
    return list(painter.paint(asked, Cancellation()))


def pixels(pieces: list[Piece]) -> list[bytes]:
    return [piece.picture.tobytes() for piece in pieces if isinstance(piece, Painting)]


def test_a_seed_gives_the_same_image_however_many_are_asked_for(painter: Painter) -> None:
    first, second = pixels(painted(painter, seeds=(7, 8)))
    assert pixels(painted(painter)) == [first]
    assert pixels(painted(painter, seeds=(8,))) == [second]
    assert first != second


def test_the_prompt_matters(painter: Painter) -> None:
    assert pixels(painted(painter)) != pixels(painted(painter, prompt="zzzz"))


def test_steps_and_previews_are_told_as_they_are_made(painter: Painter) -> None:
    pieces = painted(painter, steps=4, previews=1, width=72)
    kinds = [piece.step if isinstance(piece, Step) else type(piece) for piece in pieces]
    assert kinds == [0, 1, 2, Preview, 3, 4, Painting]
    sizes = {piece.picture.size for piece in pieces if not isinstance(piece, Step)}
    assert sizes == {(72, 64)}


def test_what_is_ruled_out_matters_where_the_model_is_guided(painter: Painter) -> None:
    one, other = (
        pixels(painted(painter, guidance=3.0, negative_prompt=text)) for text in ("", "dogs")
    )
    assert one != other


@pytest.mark.parametrize("strength", [0.01, 0.3, 0.6, 0.99, 1.0])
def test_all_steps_are_made_on_the_way_from_a_picture(painter: Painter, strength: float) -> None:
    pieces = painted(painter, steps=3, image=RED, strength=strength)
    assert [piece.step for piece in pieces if isinstance(piece, Step)] == [0, 1, 2, 3]


@pytest.mark.parametrize(("strength", "steps"), [(0.001, 2), (0.1, 150), (1e-9, 1), (5e-324, 1)])
def test_more_steps_than_there_are_on_the_way_are_refused(
    painter: Painter, strength: float, steps: int
) -> None:
    with pytest.raises(InvalidRequest, match="steps at most") as refused:
        painted(painter, steps=steps, image=RED, strength=strength)
    assert refused.value.param == "strength"


def test_strength_says_how_far_to_go_from_a_picture(painter: Painter) -> None:
    near, far = (
        np.frombuffer(pixels(painted(painter, image=RED, strength=strength))[0], np.uint8)
        for strength in (0.1, 1.0)
    )
    own = np.frombuffer(pixels(painted(painter, image=RED, strength=0.02))[0], np.uint8)
    assert np.abs(near.astype(int) - own).mean() < np.abs(far.astype(int) - own).mean()


def test_a_mask_keeps_the_rest_of_a_picture_to_the_last_pixel(painter: Painter) -> None:
    mask = Image.new("L", (64, 64))
    mask.paste(255, (32, 0, 64, 64))
    [made] = pixels(painted(painter, image=RED, mask=mask))
    picture = np.frombuffer(made, np.uint8).reshape(64, 64, 3)
    red = np.asarray(RED)
    assert (picture[:, :32] == red[:, :32]).all()
    assert (picture[:, 32:] != red[:, 32:]).any(axis=2).mean() > 0.9


def test_cancelling_takes_effect_at_the_next_step(painter: Painter) -> None:
    cancelled = Cancellation()
    pieces = painter.paint(dataclasses.replace(WISH, steps=150), cancelled)
    assert isinstance(next(pieces), Step)
    assert isinstance(next(pieces), Step)
    cancelled.set()
    with pytest.raises(Cancelled):
        list(pieces)
    assert pixels(painted(painter))


def test_leaving_ends_the_work(painter: Painter) -> None:
    pieces = painter.paint(dataclasses.replace(WISH, steps=100), Cancellation())
    assert isinstance(next(pieces), Step)
    assert isinstance(next(pieces), Step)
    pieces.close()  # type: ignore[attr-defined]
    assert pixels(painted(painter))


@pytest.mark.parametrize("field", ["prompt", "negative_prompt"])
def test_words_that_the_model_would_not_read_are_refused(painter: Painter, field: str) -> None:
    with pytest.raises(InvalidRequest, match=f"{LONGEST}; shorten") as refused:
        painted(painter, **{field: "abc" * LONGEST})
    assert refused.value.param == field


def test_concurrent_requests_do_not_disturb_each_other(painter: Painter) -> None:
    alone = [pixels(painted(painter, seeds=(seed,))) for seed in (1, 2, 3)]
    with ThreadPoolExecutor(3) as threads:
        together = list(
            threads.map(lambda seed: pixels(painted(painter, seeds=(seed,))), (1, 2, 3))
        )
    assert together == alone


def test_words_are_counted_while_an_image_is_made(painter: Painter) -> None:
    alone = pixels(painted(painter, seeds=(1,)))
    ended = threading.Event()

    def count() -> None:
        while not ended.is_set():
            with pytest.raises(InvalidRequest):
                painted(painter, prompt="abc" * LONGEST)

    with ThreadPoolExecutor(2) as threads:
        counting = [threads.submit(count) for _ in range(2)]
        try:
            together = [pixels(painted(painter, seeds=(1,))) for _ in range(8)]
        finally:
            ended.set()
        for each in counting:
            each.result()
    assert together == [alone] * 8


def test_an_image_that_has_no_room_is_told_to_be_too_large(
    painter: Painter, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object, **__: object) -> None:
        raise torch.OutOfMemoryError("CUDA out of memory.")

    with monkeypatch.context() as patched:
        patched.setattr(diffusers.UNet2DConditionModel, "forward", full)
        with pytest.raises(OutOfMemory, match="smaller"):
            painted(painter)
    assert pixels(painted(painter))


def test_weights_that_are_named_as_of_16_bits_are_found(
    engine: DiffusersEngine, painter: Painter, broken: Path
) -> None:
    for path in list(broken.rglob("*.safetensors")):
        path.rename(path.with_name(path.name.replace(".safetensors", ".fp16.safetensors")))
    again = engine.load(manifest_of(broken), broken, HERE)
    assert pixels(painted(again)) == pixels(painted(painter))


@pytest.fixture
def broken(folder: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(folder, tmp_path / "broken"))


UNET = "unet/diffusion_pytorch_model.safetensors"


def refusal(engine: DiffusersEngine, folder: Path) -> str:
    with pytest.raises(ModelLoadFailed) as failed:
        engine.load(manifest_of(folder), folder, HERE)
    return failed.value.message


def test_pickles_are_not_read(engine: DiffusersEngine, broken: Path) -> None:
    for path in list(broken.rglob("*.safetensors")):
        path.with_suffix(".bin").write_bytes(pickle.dumps({}))
        path.unlink()
    assert "safetensors" in refusal(engine, broken)


def test_one_pickle_among_others_is_not_read(engine: DiffusersEngine, broken: Path) -> None:
    (broken / UNET).rename(broken / "unet/diffusion_pytorch_model.bin")
    assert "broken or missing" in refusal(engine, broken)


@pytest.mark.parametrize("name", ["model_index.json", UNET, "vae/config.json"])
def test_a_file_that_is_missing_or_broken_is_refused(
    engine: DiffusersEngine, broken: Path, name: str
) -> None:
    (broken / name).write_bytes(b"{")
    assert "tiny-sdxl" in refusal(engine, broken)
    (broken / name).unlink()
    assert "tiny-sdxl" in refusal(engine, broken)


def test_code_of_a_checkpoint_is_not_run(engine: DiffusersEngine, broken: Path) -> None:
    index = json.loads((broken / "model_index.json").read_text())
    index["_class_name"] = ["pipeline", "Evil"]
    (broken / "model_index.json").write_text(json.dumps(index))
    (broken / "pipeline.py").write_text("raise SystemExit('it was run')")
    assert "cannot be read" in refusal(engine, broken)


def test_weights_that_are_missing_are_not_made_up(engine: DiffusersEngine, broken: Path) -> None:
    weights = load_file(broken / UNET)
    weights.pop(min(weights))
    save_file(weights, broken / UNET, metadata={"format": "pt"})
    assert "tiny-sdxl" in refusal(engine, broken)


def test_weights_that_are_no_numbers_are_refused(engine: DiffusersEngine, broken: Path) -> None:
    weights = {name: values * float("nan") for name, values in load_file(broken / UNET).items()}
    save_file(weights, broken / UNET, metadata={"format": "pt"})
    assert "does not compute" in refusal(engine, broken)
