import io
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from services.studio.pictures import Unreadable, picture_of


def saved(path: Path, image: Image.Image, **options: Any) -> Path:
    image.save(path, **options)
    return path


@pytest.mark.parametrize("suffix", ["png", "jpg", "webp"])
def test_a_picture_is_read_whatever_it_is_saved_as(tmp_path: Path, suffix: str) -> None:
    path = saved(tmp_path / f"a.{suffix}", Image.new("RGB", (30, 20), "red"))
    picture = picture_of(path)
    assert (picture.name, picture.media_type) == (path.name, "image/jpeg")
    assert Image.open(io.BytesIO(picture.data)).size == (30, 20)
    assert picture.url.startswith("data:image/jpeg;base64,")


def test_what_is_transparent_stays_so(tmp_path: Path) -> None:
    path = saved(tmp_path / "a.png", Image.new("RGBA", (8, 8), (255, 0, 0, 0)))
    picture = picture_of(path)
    assert picture.media_type == "image/webp"
    with Image.open(io.BytesIO(picture.data)) as image:
        assert image.convert("RGBA").getchannel("A").getextrema() == (0, 0)


def test_a_picture_of_a_phone_is_put_upright_and_tells_no_place(tmp_path: Path) -> None:
    exif = Image.Exif()
    exif[0x0112] = 6  # Lies on its side.
    exif[0x8825] = {1: "N", 2: (40.0, 25.0, 0.0)}  # Where it was taken.
    path = saved(tmp_path / "a.jpg", Image.new("RGB", (40, 20), "red"), exif=exif)
    with Image.open(io.BytesIO(picture_of(path).data)) as image:
        assert image.size == (20, 40)
        assert not image.getexif()


def test_a_large_picture_is_made_smaller(tmp_path: Path) -> None:
    path = saved(tmp_path / "a.png", Image.effect_noise((2000, 500), 90))
    picture = picture_of(path, side=1000)
    with Image.open(io.BytesIO(picture.data)) as image:
        assert image.size == (1000, 250)
    # What a page shows again and again.
    assert len(picture.thumbnail) < len(picture.url) / 5


@pytest.mark.parametrize(
    "content",
    [b"", b"%PDF-1.7", b"\x89PNG\r\n\x1a\n" + bytes(40), b"GIF89a" + bytes(60), b"<svg/>"],
    ids=["empty", "pdf", "broken png", "gif", "svg"],
)
def test_what_is_no_picture_is_refused(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "a.png"
    path.write_bytes(content)
    with pytest.raises(Unreadable):
        picture_of(path)


def test_a_picture_that_was_cut_off_is_refused(tmp_path: Path) -> None:
    path = saved(tmp_path / "a.png", Image.effect_noise((64, 64), 50))
    path.write_bytes(path.read_bytes()[:1500])
    with pytest.raises(Unreadable):
        picture_of(path)


def test_a_picture_of_too_many_pixels_is_not_unpacked(tmp_path: Path) -> None:
    path = saved(tmp_path / "a.png", Image.new("1", (20_000, 2_001)))
    with pytest.raises(Unreadable):
        picture_of(path)
