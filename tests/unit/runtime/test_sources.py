"""Sources: what lies on this machine, what has to be fetched, and what goes wrong."""

from pathlib import Path

import httpx
import pytest

from services.runtime.errors import ServiceUnavailable
from services.runtime.manifest import HubSource, LocalSource, PackageSource, UrlSource
from services.runtime.sources import Sources, relative

BODY = b"0123456789" * 100
URL = UrlSource(url="http://models.test/weights.bin")


def ranged(request: httpx.Request) -> httpx.Response:
    """A server of `BODY` that honours Range."""
    asked = request.headers.get("range")
    if asked is None:
        return httpx.Response(200, content=BODY)
    start = int(asked.removeprefix("bytes=").removesuffix("-"))
    if start >= len(BODY):
        return httpx.Response(416, headers={"content-range": f"bytes */{len(BODY)}"})
    span = f"bytes {start}-{len(BODY) - 1}/{len(BODY)}"
    return httpx.Response(206, content=BODY[start:], headers={"content-range": span})


def served(handler: object) -> Sources:
    assert callable(handler)
    return Sources(transport=httpx.MockTransport(handler))


@pytest.mark.parametrize("name", ["", "/etc/passwd", "../x", "a/../../x", "a\\b", "a\0b", ".."])
def test_a_path_that_leaves_its_folder_is_refused(name: str) -> None:
    with pytest.raises(ServiceUnavailable, match="correct it in"):
        relative(name)


def test_a_local_file_is_found_below_the_models_folder(tmp_path: Path) -> None:
    (tmp_path / "head.npz").write_bytes(b"head")

    assert Sources().present(LocalSource(local="head.npz"), tmp_path) == tmp_path / "head.npz"
    assert Sources().present(LocalSource(local="other.npz"), tmp_path) is None


def test_an_absolute_local_path_stands_for_itself(tmp_path: Path) -> None:
    (tmp_path / "head.npz").write_bytes(b"head")
    source = LocalSource(local=str(tmp_path / "head.npz"))

    assert Sources().present(source, Path("elsewhere")) == tmp_path / "head.npz"


def test_a_file_of_an_installed_package_is_found_without_importing_it() -> None:
    version = __import__("importlib.metadata").metadata.version("pytest")
    found = Sources().present(
        PackageSource(package=f"pytest=={version}", path="pytest/py.typed"), Path()
    )

    assert found is not None
    assert found.name == "py.typed"


@pytest.mark.parametrize("package", ["pytest==0.0.1", "no-such-distribution-here==1.0"])
def test_a_package_that_is_missing_or_of_another_version_is_not_present(package: str) -> None:
    source = PackageSource(package=package, path="pytest/py.typed")

    assert Sources().present(source, Path()) is None


def test_fetching_from_a_package_installs_it_and_says_so_if_the_file_is_not_there(
    tmp_path: Path,
) -> None:
    installed: list[str] = []
    source = PackageSource(package="no-such-distribution-here==1.0", path="x.bin")

    with pytest.raises(ServiceUnavailable, match=r"holds no file x\.bin"):
        Sources(install=installed.append).fetch(source, tmp_path, tmp_path, lambda done: None)
    assert installed == ["no-such-distribution-here==1.0"]


def test_a_hub_file_is_downloaded_below_the_staging_folder(tmp_path: Path) -> None:
    def download(source: HubSource, folder: Path) -> Path:
        return folder / source.revision / source.path

    source = HubSource(hub="org/name", revision="abc", path="model.bin")

    found = Sources(download=download).fetch(source, Path(), tmp_path, lambda done: None)
    assert found == tmp_path / "abc" / "model.bin"


def test_a_hub_path_may_not_climb(tmp_path: Path) -> None:
    source = HubSource(hub="org/name", revision="abc", path="../../x")

    with pytest.raises(ServiceUnavailable, match="not a path below"):
        Sources().fetch(source, Path(), tmp_path, lambda done: None)


def test_a_url_is_streamed_and_reports_its_bytes(tmp_path: Path) -> None:
    reports: list[int] = []

    found = served(ranged).fetch(URL, tmp_path, tmp_path / "s", reports.append)
    assert found.read_bytes() == BODY
    assert reports[-1] == len(BODY)
    assert not (tmp_path / "s" / "download.part").exists()


@pytest.mark.parametrize("have", [1, 500, 1000])
def test_a_broken_download_goes_on_where_it_ended(tmp_path: Path, have: int) -> None:
    (tmp_path / "download.part").write_bytes(BODY[:have])
    asked: list[str] = []

    def handler(request: httpx.Request) -> httpx.Response:
        asked.append(request.headers["range"])
        return ranged(request)

    assert served(handler).fetch(URL, tmp_path, tmp_path, lambda d: None).read_bytes() == BODY
    assert asked == [f"bytes={have}-"]


def test_a_server_without_ranges_sends_everything_again(tmp_path: Path) -> None:
    (tmp_path / "download.part").write_bytes(b"stale bytes")
    sources = served(lambda request: httpx.Response(200, content=BODY))

    assert sources.fetch(URL, tmp_path, tmp_path, lambda done: None).read_bytes() == BODY


def test_a_part_longer_than_the_file_is_started_again(tmp_path: Path) -> None:
    (tmp_path / "download.part").write_bytes(BODY + b"more")

    found = served(ranged).fetch(URL, tmp_path, tmp_path, lambda done: None)
    assert found.read_bytes() == BODY


def test_a_server_that_answers_another_range_is_not_believed(tmp_path: Path) -> None:
    (tmp_path / "download.part").write_bytes(BODY[:10])

    def handler(request: httpx.Request) -> httpx.Response:
        if "range" in request.headers:
            return httpx.Response(206, content=BODY, headers={"content-range": "bytes 0-999/1000"})
        return httpx.Response(200, content=BODY)

    assert served(handler).fetch(URL, tmp_path, tmp_path, lambda d: None).read_bytes() == BODY


def test_an_unreachable_or_refusing_server_is_named_in_the_error(tmp_path: Path) -> None:
    def unreachable(request: httpx.Request) -> httpx.Response:
        raise httpx.ConnectError("no route to host")

    with pytest.raises(ServiceUnavailable, match=r"models\.test.*no route to host"):
        served(unreachable).fetch(URL, tmp_path, tmp_path, lambda done: None)
    with pytest.raises(ServiceUnavailable, match="404"):
        served(lambda request: httpx.Response(404)).fetch(
            URL, tmp_path, tmp_path, lambda done: None
        )


def test_a_missing_local_file_cannot_be_fetched(tmp_path: Path) -> None:
    with pytest.raises(ServiceUnavailable, match=r"weights\.gguf is not there"):
        Sources().fetch(LocalSource(local="weights.gguf"), tmp_path, tmp_path, lambda done: None)
