"""Pictures as people send them: whole, odd and hostile."""

import io
import struct
import zlib

import numpy as np
import pytest
from PIL import Image as Pillow

from services.runtime.errors import InvalidRequest
from services.runtime.llama.generation import Image
from services.runtime.llama.picture import LONGEST, MOST_BYTES, decode

SIZE = (12, 7)


def file(picture: Pillow.Image, kind: str, **options: object) -> Image:
    sink = io.BytesIO()
    picture.save(sink, kind, **options)
    return Image(sink.getvalue())


def corner(image: Image) -> tuple[int, ...]:
    return tuple(decode(image).data[:3])


@pytest.mark.parametrize("kind", ["PNG", "JPEG", "WEBP"])
def test_the_three_formats_are_read(kind: str) -> None:
    pixels = decode(file(Pillow.new("RGB", SIZE, (200, 40, 90)), kind))
    assert (pixels.width, pixels.height) == SIZE
    assert len(pixels.data) == 3 * 12 * 7
    assert np.allclose(np.frombuffer(pixels.data, np.uint8).reshape(-1, 3), (200, 40, 90), atol=4)


@pytest.mark.parametrize("kind", ["GIF", "BMP", "TIFF"])
def test_other_formats_are_refused(kind: str) -> None:
    with pytest.raises(InvalidRequest, match="PNG, JPEG or WebP") as refused:
        decode(file(Pillow.new("RGB", SIZE), kind))
    assert refused.value.param == "messages"


@pytest.mark.parametrize("data", [b"", b"\x89PNG\r\n\x1a\n", b"<svg/>", b"\xff\xd8\xff\xe0" * 50])
def test_what_is_no_picture_is_refused(data: bytes) -> None:
    with pytest.raises(InvalidRequest, match="cannot be read"):
        decode(Image(data))


@pytest.mark.parametrize("kind", ["PNG", "JPEG", "WEBP"])
def test_a_picture_cut_short_is_refused(kind: str) -> None:
    noise = np.random.default_rng(1).integers(0, 255, (64, 64, 3), np.uint8)
    whole = file(Pillow.fromarray(noise), kind).data
    with pytest.raises(InvalidRequest, match="cannot be read"):
        decode(Image(whole[: len(whole) // 2]))


def test_a_file_too_large_is_refused_unread() -> None:
    with pytest.raises(InvalidRequest, match="20,000,001 bytes"):
        decode(Image(bytes(MOST_BYTES + 1)))


@pytest.mark.parametrize(("width", "height"), [(8001, 5000), (20_000, 20_000), (65_000, 1_000)])
def test_many_pixels_are_refused_before_they_are_unpacked(width: int, height: int) -> None:
    """The header alone says it: there are no pixels in this file."""

    def chunk(name: bytes, body: bytes) -> bytes:
        body = name + body
        return struct.pack(">I", len(body) - 4) + body + struct.pack(">I", zlib.crc32(body))

    header = chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0))
    bomb = Image(b"\x89PNG\r\n\x1a\n" + header + chunk(b"IDAT", b"") + chunk(b"IEND", b""))
    with pytest.raises(InvalidRequest, match="more than 40,000,000 pixels"):
        decode(bomb)


def test_a_large_picture_is_shrunk_in_proportion() -> None:
    pixels = decode(file(Pillow.new("RGB", (3 * LONGEST, LONGEST)), "JPEG"))
    assert (pixels.width, pixels.height) == (LONGEST, round(LONGEST / 3))


def test_a_line_stays_a_line() -> None:
    pixels = decode(file(Pillow.new("RGB", (1, 2 * LONGEST)), "PNG"))
    assert (pixels.width, pixels.height) == (1, LONGEST)


def test_what_is_transparent_is_white() -> None:
    assert corner(file(Pillow.new("RGBA", SIZE, (0, 0, 0, 0)), "PNG")) == (255, 255, 255)
    assert corner(file(Pillow.new("P", SIZE, 0), "PNG", transparency=0)) == (255, 255, 255)


def test_sixteen_bits_and_grey_and_cmyk_are_read() -> None:
    sixteen = Pillow.fromarray(np.full((7, 12), 0x8000, np.uint16))
    assert corner(file(sixteen, "PNG")) == (128, 128, 128)
    assert corner(file(Pillow.new("1", SIZE, 1), "PNG")) == (255, 255, 255)
    assert corner(file(Pillow.new("CMYK", SIZE, (0, 255, 255, 0)), "JPEG"))[0] > 200


def test_a_camera_held_sideways_makes_an_upright_picture() -> None:
    exif = Pillow.Exif()
    exif[0x0112] = 6
    pixels = decode(file(Pillow.new("RGB", SIZE), "JPEG", exif=exif))
    assert (pixels.width, pixels.height) == (7, 12)


def test_the_first_frame_of_an_animation_counts() -> None:
    frames = [Pillow.new("RGB", SIZE, colour) for colour in ("red", "blue")]
    image = file(frames[0], "WEBP", save_all=True, append_images=frames[1:], lossless=True)
    assert corner(image) == (255, 0, 0)
