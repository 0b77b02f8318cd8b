import asyncio
import io
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from services.studio import pictures
from services.studio.pictures import Picture, Unreadable, picture_of


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


def test_a_picture_that_is_too_long_is_refused(tmp_path: Path) -> None:
    path = saved(tmp_path / "a.png", Image.new("1", (40_000, 10)))
    with pytest.raises(Unreadable):
        picture_of(path)


PEAK = """
import sys
from pathlib import Path
from services.studio.pictures import picture_of

def peak():
    status = Path("/proc/self/status").read_text()
    return int(status.partition("VmHWM:")[2].split()[0])

before = peak()
picture_of(Path(sys.argv[1]))
print(peak() - before)
"""


@pytest.mark.skipif(sys.platform != "linux", reason="there is no /proc")
@pytest.mark.parametrize("mode", ["RGB", "RGBA"])
def test_the_largest_picture_is_in_memory_once(tmp_path: Path, mode: str) -> None:
    path = saved(tmp_path / "a.png", Image.new(mode, (6320, 6320)), compress_level=1)
    # A process of its own: nothing else tells what Pillow takes.
    command = [sys.executable, "-c", PEAK, str(path)]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert int(done.stdout) * 1024 < 230e6


async def test_pictures_are_looked_at_one_at_a_time(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    running: list[Path] = []
    most: list[int] = []
    begun, go = threading.Event(), threading.Event()

    def slow(path: Path) -> Picture:
        running.append(path)
        begun.set()
        assert go.wait(60)
        time.sleep(0.02)
        most.append(len(running))
        running.remove(path)
        return Picture(path.name, b"", "", "")

    monkeypatch.setattr(pictures, "picture_of", slow)
    looking = [asyncio.create_task(pictures.looked_at(tmp_path / str(at))) for at in range(6)]
    assert await asyncio.to_thread(begun.wait, 60)
    # Its thread goes on.
    looking[0].cancel()
    await asyncio.wait(looking[:1])
    go.set()
    done = await asyncio.gather(*looking, return_exceptions=True)
    assert [each.name for each in done if isinstance(each, Picture)] == ["1", "2", "3", "4", "5"]
    assert set(most) == {1}
