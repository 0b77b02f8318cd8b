"""Pictures to be changed: in which size, and which part of them is open."""

import pytest
from PIL import Image

from services.images.originals import fitted, mask_of, opened_original, size_for
from services.runtime.errors import InvalidRequest
from tests.pictures import picture_file

SIZE = (64, 64)


@pytest.mark.parametrize(
    ("shape", "native", "size"),
    [
        ((100, 100), 512, (512, 512)),
        ((1920, 1080), 512, (680, 384)),
        ((1080, 1920), 1024, (768, 1368)),
        ((5, 4000), 512, (64, 2048)),
    ],
)
def test_the_shape_is_kept_and_the_pixels_are_the_models(
    shape: tuple[int, int], native: int, size: tuple[int, int]
) -> None:
    assert size_for(Image.new("RGB", shape), native) == size


def test_another_shape_takes_the_middle() -> None:
    picture = Image.new("RGB", (192, 64), "red")
    picture.paste((0, 0, 255), (64, 0, 128, 64))
    assert fitted(picture, SIZE).getcolors() == [(64 * 64, (0, 0, 255))]


def test_what_is_transparent_is_white_and_open() -> None:
    picture = Image.new("RGBA", SIZE, (255, 0, 0, 255))
    picture.paste((0, 0, 0, 0), (0, 0, 32, 64))
    assert fitted(picture, SIZE).getpixel((0, 0)) == (255, 255, 255)
    mask = mask_of(picture, b"", SIZE)
    assert mask is not None
    assert (mask.getpixel((0, 0)), mask.getpixel((63, 0))) == (255, 0)


@pytest.mark.parametrize("mode", ["RGB", "RGBA"])
def test_a_picture_that_is_nowhere_transparent_is_open_everywhere(mode: str) -> None:
    assert mask_of(Image.new(mode, SIZE, (1, 2, 3)), b"", SIZE) is None


def test_a_mask_goes_before_the_picture_and_may_differ_by_a_pixel() -> None:
    picture = Image.new("RGBA", (100, 80), (0, 0, 0, 0))
    sheet = Image.new("RGBA", (101, 79), "white")
    sheet.paste((0, 0, 0, 0), (0, 0, 50, 79))
    mask = mask_of(picture, picture_file(sheet, "WEBP", lossless=True), SIZE)
    assert mask is not None
    assert mask.size == SIZE
    assert (mask.getpixel((0, 30)), mask.getpixel((63, 30))) == (255, 0)
    with pytest.raises(InvalidRequest, match="103x79"):
        mask_of(picture, picture_file(Image.new("RGBA", (103, 79))), SIZE)


def test_pictures_are_opened_with_care() -> None:
    with pytest.raises(InvalidRequest, match="as a file"):
        opened_original(b"")
    huge = picture_file(Image.new("1", (8000, 8000)))
    with pytest.raises(InvalidRequest, match="pixels") as refused:
        opened_original(huge)
    assert refused.value.param == "image"
    assert opened_original(picture_file(Image.new("L", (4096, 1024)))).size == (2048, 512)
