"""Real projectors of random weights through llama.cpp's mtmd."""

import io
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from llama_cpp import llama_cpp
from PIL import Image as Pillow

from services.runtime.errors import InvalidRequest, ModelLoadFailed, ServiceUnavailable
from services.runtime.llama.generation import Image
from services.runtime.llama.marks import Rows, is_mark, row_of
from services.runtime.llama.vision import Opened, Projector
from tests import seeing


@contextmanager
def text_model(folder: Path) -> Iterator[Any]:
    llama_cpp.llama_backend_init()
    params = llama_cpp.llama_model_default_params()
    model = llama_cpp.llama_model_load_from_file(str(folder / "model.gguf").encode(), params)
    yield model
    llama_cpp.llama_model_free(model)


@contextmanager
def projector(folder: Path) -> Iterator[Projector]:
    with text_model(folder) as model:
        made = Projector(folder / "mmproj.gguf", model, threads=1, gpu=None, most=512)
        yield made
        made.close()


def encoded(eyes: Projector, image: Image) -> dict[int, Rows]:
    picture = eyes.open(image)
    return {key: picture.encode(key) for key in keys(picture)}


def keys(picture: Opened) -> list[int]:
    return list(dict.fromkeys(row_of(token)[0] for token in picture.tokens if is_mark(token)))


@pytest.mark.parametrize(
    ("make", "chunks", "rows", "causal"),
    [(seeing.llava, 1, 16, True), (seeing.smolvlm, 17, 4, True), (seeing.gemma, 1, 16, False)],
)
def test_a_picture_becomes_rows_as_wide_as_the_text_model(
    make: Callable[[Path], Path], chunks: int, rows: int, causal: bool, tmp_path: Path
) -> None:
    with projector(make(tmp_path)) as eyes:
        found = encoded(eyes, seeing.picture(1))
        places = eyes.open(seeing.picture(1)).tokens
        assert eyes.causal is causal
    assert [part.shape for part in found.values()] == [(rows, seeing.WIDTH)] * chunks
    assert all(np.isfinite(part).all() and part.std() > 0.01 for part in found.values())
    marked = [row_of(place) for place in places if is_mark(place)]
    assert marked == [(key, row) for key in found for row in range(rows)]


def test_tiles_are_told_apart_by_tokens_of_the_model(tmp_path: Path) -> None:
    with projector(seeing.smolvlm(tmp_path)) as eyes:
        places = eyes.open(seeing.picture(1)).tokens
    tokens = [place for place in places if not is_mark(place)]
    assert tokens.count(seeing.token("<fake_token_around_image>")) == 18
    assert tokens.count(seeing.token("<row_2_col_3>")) == 1
    assert tokens.count(seeing.token("<global-img>")) == 1


def test_a_picture_is_always_encoded_alike_and_another_differently(tmp_path: Path) -> None:
    with projector(seeing.llava(tmp_path)) as eyes:
        (first,), (again,), (other,) = (
            encoded(eyes, seeing.picture(seed)).values() for seed in (1, 1, 2)
        )
    assert np.array_equal(first, again)
    assert np.abs(first - other).max() > 0.1


def test_the_same_pixels_are_the_same_in_every_format(tmp_path: Path) -> None:
    with projector(seeing.llava(tmp_path)) as eyes:
        parts: list[Rows] = []
        for kind, options in (("PNG", {}), ("WEBP", {"lossless": True})):
            sink = io.BytesIO()
            Pillow.open(io.BytesIO(seeing.picture(1).data)).save(sink, kind, **options)
            parts += encoded(eyes, Image(sink.getvalue())).values()
    assert np.array_equal(parts[0], parts[1])


def test_a_broken_picture_is_refused(tmp_path: Path) -> None:
    with (
        projector(seeing.llava(tmp_path)) as eyes,
        pytest.raises(InvalidRequest, match="cannot be read"),
    ):
        eyes.open(Image(b"GIF89a"))


@pytest.mark.parametrize("size", [(1, 1), (2, 300), (2048, 1), (1, 2048)])
def test_pictures_of_odd_sizes_are_read(size: tuple[int, int], tmp_path: Path) -> None:
    with projector(seeing.llava(tmp_path)) as eyes:
        assert encoded(eyes, seeing.picture(1, size))


def test_a_picture_that_the_model_cannot_cut_up_is_refused(tmp_path: Path) -> None:
    with (
        projector(seeing.smolvlm(tmp_path)) as eyes,
        pytest.raises(InvalidRequest, match=r"2048 x 1 pixels.*proportions"),
    ):
        encoded(eyes, seeing.picture(1, (2048, 1)))


def test_a_file_that_is_no_projector_is_refused(tmp_path: Path) -> None:
    folder = seeing.llava(tmp_path)
    shutil.copy(folder / "model.gguf", folder / "mmproj.gguf")
    with (
        text_model(folder) as model,
        pytest.raises(ModelLoadFailed, match=r"mmproj\.gguf of this model is no projector"),
    ):
        Projector(folder / "mmproj.gguf", model, threads=1, gpu=None, most=512)


def test_a_model_that_counts_by_row_and_column_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ModelLoadFailed, match="M-RoPE"), projector(seeing.qwen(tmp_path)):
        pass


def test_a_picture_that_cannot_be_read_at_once_is_refused(tmp_path: Path) -> None:
    folder = seeing.gemma(tmp_path)
    with text_model(folder) as model:
        eyes = Projector(folder / "mmproj.gguf", model, threads=1, gpu=None, most=15)
        with pytest.raises(InvalidRequest, match=r"takes 16 tokens.*15 can be"):
            eyes.open(seeing.picture(1))
        eyes.close()


def test_nothing_is_encoded_after_the_end(tmp_path: Path) -> None:
    with projector(seeing.llava(tmp_path)) as eyes:
        opened = eyes.open(seeing.picture(1))
    with pytest.raises(ServiceUnavailable):
        opened.encode(keys(opened)[0])
    with pytest.raises(ServiceUnavailable):
        eyes.open(seeing.picture(1))
