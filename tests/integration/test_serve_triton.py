"""`orfeon serve --triton`: a real server beside real services, and its death under load."""

import contextlib
import json
import re
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import httpx
import psutil
import pytest

from orfeon.access import read_access
from tests.integration.test_serve import gone, read_until, run, until
from tests.integration.voices import spoken, wav


@dataclass
class Served:
    """A running `orfeon serve`, and how it is called."""

    process: subprocess.Popen[str]
    home: Path
    voice: bytes

    def children(self) -> dict[str, psutil.Process]:
        """The server, and the other processes by module."""
        named = {}
        for child in psutil.Process(self.process.pid).children():
            with contextlib.suppress(psutil.Error):  # It has just died.
                if command := child.cmdline():
                    named["triton" if "tritonserver" in command[0] else command[-1]] = child
        return named

    def classify(self) -> httpx.Response:
        access = read_access(self.home)
        return httpx.post(
            f"{access.base_url}/audio/classifications",
            headers={"authorization": f"Bearer {access.api_key}"},
            files={"file": ("voice.wav", self.voice)},
            timeout=60,
            trust_env=False,
        )


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    home = tmp_path_factory.mktemp("home")
    process = subprocess.Popen(
        [sys.executable, "-c", "from orfeon.cli import main; main()", "serve", "--triton",
         "--capabilities", "emotion", "--port", "0", "--grpc-port", "0", "--studio-port", "0",
         "--home", str(home)],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )  # fmt: skip
    try:
        read_until(process, "Ctrl-C stops")
        yield Served(process, home, wav(spoken()))
    finally:
        process.terminate()
        process.wait(40)
        assert process.stdout is not None
        process.stdout.close()


def test_the_model_is_on_the_server_and_counted_with_all_others(served: Served) -> None:
    assert served.classify().status_code == 200
    assert (served.home / "logs" / "triton.log").read_text().count("successfully loaded") == 1
    shown = {each["id"]: each for each in json.loads(run(served.home, "ps", "--json").stdout)}
    assert shown["emotion-whisper-tiny"]["device"] == "cpu"


def test_requests_outlive_the_death_of_the_server(served: Served) -> None:
    before = served.children()
    ended = threading.Event()

    def ask(_: int) -> list[int]:
        codes = []
        while not ended.is_set():
            codes.append(served.classify().status_code)
        return codes

    with ThreadPoolExecutor(4) as pool:
        asking = [pool.submit(ask, at) for at in range(4)]
        try:
            ended.wait(2)
            before["triton"].send_signal(signal.SIGKILL)
            until(lambda: gone(before["triton"]), 30)
            until(lambda: "triton" in served.children(), 30)
            ended.wait(5)
        finally:
            ended.set()
        codes = [code for each in asking for code in each.result(90)]
    assert set(codes) <= {200, 503}
    assert codes.count(200) > codes.count(503)
    assert served.classify().status_code == 200
    assert (served.home / "logs" / "triton.log").read_text().count("successfully loaded") == 2
    after = served.children()
    assert {name: child.pid for name, child in after.items() if name != "triton"} == {
        name: child.pid for name, child in before.items() if name != "triton"
    }


def test_it_is_stopped_last_and_leaves_nothing(served: Served) -> None:
    children = served.children()
    option = next(each for each in children["triton"].cmdline() if "shm-region-prefix" in each)
    served.process.terminate()
    served.process.wait(40)
    assert all(gone(child) for child in children.values())
    assert not list(Path("/dev/shm").glob(option.rpartition("=")[2] + "*"))
    said = (served.home / "logs" / "triton.log").read_text()
    assert re.search("successfully unloaded 'emotion_whisper'", said)


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        (("--triton", "--engine", "fake"), "choose one"),
        (("--triton-repository", "x"), "--triton"),
        (("--triton", "--triton-repository", "/nowhere", "--capabilities", "emotion"), "/nowhere"),
    ],
)
def test_what_cannot_be_is_said_in_a_sentence(
    tmp_path: Path, options: tuple[str, ...], sentence: str
) -> None:
    ports = ("--port", "0", "--grpc-port", "0", "--studio-port", "0")
    result = run(tmp_path, "serve", *ports, *options)
    assert result.exit_code != 0
    assert sentence in result.stderr + result.stdout
    assert "Traceback" not in result.stderr
