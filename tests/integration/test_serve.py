"""`orfeon serve` with fake engines: starts, answers the other commands, survives, stops."""

import json
import os
import re
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import httpx
import psutil
import pytest
from typer.testing import CliRunner, Result

from orfeon.access import read_access
from orfeon.cli.app import app
from tests.fakes.ports import free_port


def launch(
    home: Path, *arguments: str, studio: int = 0, **environment: str
) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-c", "from orfeon.cli import main; main()", "serve", "--engine", "fake",
         "--port", "0", "--grpc-port", "0", "--studio-port", str(studio), "--home", str(home),
         *arguments],
        env={**os.environ, **environment},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )  # fmt: skip


def read_until(process: subprocess.Popen[str], pattern: str) -> list[str]:
    """Its output up to the line that holds `pattern`."""
    assert process.stdout is not None
    lines: list[str] = []
    for line in process.stdout:
        lines.append(line.rstrip())
        if re.search(pattern, line):
            return lines
    raise AssertionError(f"ended without {pattern!r}: {lines}")


def until(condition: Callable[[], bool], seconds: float = 20.0) -> None:
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.05)


def services(process: subprocess.Popen[str]) -> dict[str, psutil.Process]:
    """The child processes by the module they run."""
    found = psutil.Process(process.pid).children()
    return {child.cmdline()[-1]: child for child in found}


def gone(process: psutil.Process) -> bool:
    return not process.is_running() or process.status() == psutil.STATUS_ZOMBIE


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("home")


@pytest.fixture(scope="module")
def running(home: Path) -> Iterator[tuple[subprocess.Popen[str], list[str]]]:
    """A running `orfeon serve` and what it said until it was ready."""
    process = launch(home)
    try:
        yield process, read_until(process, "Ctrl-C stops")
    finally:
        process.terminate()
        process.wait(60)
        assert process.stdout is not None
        process.stdout.close()


def run(home: Path, *arguments: str, text: str | None = None) -> Result:
    return CliRunner().invoke(app, [*arguments, "--home", str(home)], input=text)


def test_it_prints_the_address_and_a_key_and_notes_both(
    home: Path, running: tuple[subprocess.Popen[str], list[str]]
) -> None:
    _, said = running
    note = read_access(home)

    assert f"API key: {note.api_key}" in said
    assert any(line.startswith(f"Orfeón is ready at {note.base_url} after") for line in said)
    assert any(line.startswith("chat: ready after") for line in said)
    assert (home / "logs" / "gateway.log").is_file()


@pytest.mark.usefixtures("running")
def test_the_other_commands_find_it_by_its_note(home: Path, tmp_path: Path) -> None:
    spoken = tmp_path / "spoken.wav"

    assert run(home, "chat", "Hello?").stdout.strip()
    assert run(home, "chat", text="Hello?").stdout.strip()
    result = run(home, "speak", "Good morning.", "-o", str(spoken))
    assert result.exit_code == 0, result.stderr
    assert spoken.read_bytes()[:4] == b"RIFF"
    assert [path.name for path in tmp_path.iterdir()] == ["spoken.wav"]
    assert run(home, "transcribe", str(spoken)).stdout.strip()
    assert "-->" in run(home, "transcribe", str(spoken), "--format", "srt").stdout
    assert run(home, "transcribe", str(spoken), "--translate").stdout.strip()
    assert "%" in run(home, "classify", str(spoken)).stdout
    row = json.loads(run(home, "classify", str(spoken), "--json").stdout)
    assert row["labels"][0]["score"] >= row["labels"][-1]["score"]
    loaded = {row["id"] for row in json.loads(run(home, "ps", "--json").stdout)}
    assert "smollm2-135m-instruct" in loaded


@pytest.mark.usefixtures("running")
@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (("chat", "hi", "--model", "nope"), "nope"),
        (("chat", "hi", "--api-key", "wrong"), "key"),
        (("chat", "hi", "--base-url", "http://127.0.0.1:9"), "Nothing answers at"),
        (("chat", " "), "nothing to answer"),
        (("transcribe", "no-such-file.wav"), "no-such-file.wav: No such file"),
        (("transcribe", __file__), "audio"),
        (("speak", "hi", "-o", "sound.xyz"), "add --format"),
        (("speak", "hi", "-o", "no/such/folder.mp3"), "No such file or directory"),
        (("classify", "no-such-file.wav"), "No such file"),
        (("ps", "--api-key", "wrong"), "key"),
    ],
)
def test_a_failure_is_one_sentence_on_stderr(
    home: Path, arguments: tuple[str, ...], sentence: str
) -> None:
    result = run(home, *arguments)

    assert result.exit_code == 1
    assert sentence in result.stderr
    assert result.stderr.count("\n") == 1
    assert result.stdout == ""


@pytest.mark.usefixtures("running")
def test_one_bad_recording_among_several_does_not_hide_the_rest(home: Path, tmp_path: Path) -> None:
    spoken = tmp_path / "spoken.wav"
    run(home, "speak", "Good morning.", "-o", str(spoken))

    result = run(home, "classify", __file__, "no-such-file.wav", str(spoken), "--json")
    assert result.exit_code == 1
    assert result.stderr.count("\n") == 2
    assert json.loads(result.stdout)["file"] == str(spoken)


def test_the_noted_key_is_sent_to_no_other_gateway(
    home: Path, running: tuple[subprocess.Popen[str], list[str]]
) -> None:
    port = read_access(home).base_url
    assert port is not None
    elsewhere = port.replace("127.0.0.1", "localhost")

    result = run(home, "ps", "--base-url", elsewhere)
    assert result.exit_code == 1
    assert "key" in result.stderr


def test_a_killed_service_is_back_by_itself(
    home: Path, running: tuple[subprocess.Popen[str], list[str]]
) -> None:
    process, _ = running
    before = services(process)
    os.kill(before["services.chat"].pid, signal.SIGKILL)

    said = read_until(process, "chat: ready")
    assert "chat: restarting: was killed by SIGKILL; again at once" in said
    after = services(process)
    assert after["services.speech"].pid == before["services.speech"].pid
    assert after["services.chat"].pid != before["services.chat"].pid
    assert run(home, "chat", "Hello?").exit_code == 0


def test_a_killed_arbiter_is_back_by_itself_and_nobody_notices(
    home: Path, running: tuple[subprocess.Popen[str], list[str]]
) -> None:
    process, _ = running
    before = services(process)
    os.kill(before["services.arbiter"].pid, signal.SIGKILL)
    assert run(home, "chat", "Hello?").exit_code == 0

    said = read_until(process, "arbiter: ready")
    assert "arbiter: restarting: was killed by SIGKILL; again at once" in said
    after = services(process)
    del before["services.arbiter"], after["services.arbiter"]
    assert {name: each.pid for name, each in before.items()} == {
        name: each.pid for name, each in after.items()
    }


def test_a_port_in_use_is_one_sentence(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        result = run(tmp_path, "serve", "--port", str(port))

    assert result.exit_code == 1
    assert result.stderr == (
        f"orfeon: Port {port} is already in use on 127.0.0.1; choose another with --port.\n"
    )


def test_a_port_of_grpc_in_use_is_one_sentence(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        result = run(tmp_path, "serve", "--port", "0", "--grpc-port", str(port))

    assert result.exit_code == 1
    assert result.stderr == (
        f"orfeon: Port {port} is already in use on 127.0.0.1; choose another with --grpc-port.\n"
    )


def test_a_port_of_the_web_app_in_use_is_one_sentence(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        result = run(
            tmp_path, "serve", "--port", "0", "--grpc-port", "0", "--studio-port", str(port)
        )

    assert result.exit_code == 1
    assert result.stderr == (
        f"orfeon: Port {port} is already in use on 127.0.0.1; choose another with --studio-port.\n"
    )


@pytest.mark.parametrize("other", ["--port", "--grpc-port"])
def test_the_web_app_needs_a_port_of_its_own(tmp_path: Path, other: str) -> None:
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = str(free.getsockname()[1])
    ports = {"--port": "0", "--grpc-port": "0", other: port, "--studio-port": port}
    result = run(tmp_path, "serve", *(word for pair in ports.items() for word in pair))

    assert result.exit_code == 1
    assert "choose another with --studio-port" in result.stderr


def test_the_web_app_is_served_beside_some_services_and_is_back_when_it_was_killed(
    tmp_path: Path,
) -> None:
    port = free_port()
    process = launch(tmp_path, "--capabilities", "chat", studio=port)
    try:
        said = read_until(process, "Ctrl-C stops")
        [line] = [line for line in said if line.startswith("Studio")]
        assert f" http://127.0.0.1:{port}/studio/ " in line
        address = f"http://127.0.0.1:{port}"
        page = httpx.get(f"{address}/studio/", headers={"accept": "text/html"}, timeout=60)
        assert page.headers["location"] == "/studio/sign-in?next=/studio/"
        assert httpx.get(f"{address}/studio/sign-in", timeout=60).status_code == 200
        # It finds the gateway, which knows the key.
        note = read_access(tmp_path)
        assert note.studio_url == address
        entered = httpx.post(f"{address}/studio/sign-in", data={"key": note.api_key}, timeout=60)
        assert entered.status_code == 303, entered.text

        os.kill(services(process)["services.studio"].pid, signal.SIGKILL)
        said = read_until(process, "studio: ready")
        assert "studio: restarting: was killed by SIGKILL; again at once" in said
        assert httpx.get(f"{address}/healthz", timeout=60).status_code == 200
    finally:
        process.terminate()
        rest, _ = process.communicate(timeout=60)
    assert process.returncode == 0, rest
    assert "Traceback" not in (tmp_path / "logs" / "studio.log").read_text()


def test_http_and_grpc_need_ports_of_their_own(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = str(free.getsockname()[1])
    result = run(tmp_path, "serve", "--port", port, "--grpc-port", port)

    assert result.exit_code == 1
    assert "choose another with --grpc-port" in result.stderr


def test_an_address_of_another_machine_is_one_sentence(tmp_path: Path) -> None:
    result = run(tmp_path, "serve", "--host", "192.0.2.1")

    assert result.exit_code == 1
    assert "192.0.2.1 is no address of this machine" in result.stderr


def test_it_stops_cleanly_and_shows_no_key_the_second_time(tmp_path: Path) -> None:
    for start, number in (("first", signal.SIGTERM), ("second", signal.SIGINT)):
        process = launch(tmp_path, "--capabilities", "chat")
        said = read_until(process, "Ctrl-C stops")
        children = list(services(process).values())
        assert len(children) == 3
        assert any(line.startswith("API key") for line in said) == (start == "first")

        began = time.monotonic()
        process.send_signal(number)
        rest, _ = process.communicate(timeout=60)
        assert time.monotonic() - began < 10
        assert process.returncode == 0, rest
        assert "Traceback" not in rest
        assert not [log for log in tmp_path.glob("logs/*.log") if "Traceback" in log.read_text()]
        assert all(gone(child) for child in children)


def test_nothing_outlives_a_killed_supervisor(tmp_path: Path) -> None:
    process = launch(tmp_path, "--capabilities", "chat")
    read_until(process, "Ctrl-C stops")
    children = list(services(process).values())

    process.kill()
    process.communicate(timeout=60)
    until(lambda: all(gone(child) for child in children))
