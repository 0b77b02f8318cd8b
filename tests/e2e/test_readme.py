"""The README's first calls, run as they stand."""

import contextlib
import io
import os
import re
import subprocess
from pathlib import Path

import pytest

from tests.e2e.conftest import Product, executable

README = (Path(__file__).resolve().parents[2] / "README.md").read_text("utf-8")


def blocks(language: str) -> list[str]:
    """The fenced blocks of a language."""
    return re.findall(rf"```{language}\n(.*?)```", README, re.DOTALL)


def block_with(language: str, text: str) -> str:
    [block] = [block for block in blocks(language) if text in block]
    return block


@pytest.fixture(scope="module")
def folder(product: Product, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where a reader stands, with the recordings that the README takes for granted."""
    folder = tmp_path_factory.mktemp("reader")
    for name, audio_format in [("french.ogg", "opus"), ("voice.wav", "wav")]:
        speech = product.client().audio.speech.create(
            model="tts-1",
            voice="joe",
            input="Good morning to all of you.",
            response_format=audio_format,  # type: ignore[arg-type]
        )
        speech.write_to_file(folder / name)
    return folder


# The client deprecates some combinations of the translation route's own parameters.
@pytest.mark.filterwarnings("ignore:deprecated:DeprecationWarning")
def test_the_python_examples_run(product: Product, folder: Path) -> None:
    for block in blocks("python"):
        code = block.replace("http://localhost:8000", product.url).replace(
            "sk-orf-...", product.key
        )
        printed = io.StringIO()
        with contextlib.chdir(folder), contextlib.redirect_stdout(printed):
            exec(compile(code, "README.md", "exec"), {})
        assert len(printed.getvalue()) > 20


def test_the_curl_examples_run(product: Product, folder: Path) -> None:
    script = block_with("console", "curl").replace("localhost:8000", product.url)
    done = subprocess.run(
        ["bash", "-euo", "pipefail", "-c", script.replace("curl ", "curl -sS --fail-with-body ")],
        cwd=folder,
        env={**os.environ, "KEY": product.key},
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert "chat.completion" in done.stdout
    assert "-->" in done.stdout
    assert "audio.classification" in done.stdout
    assert "lyrics.line" in done.stdout


def test_the_commands_run(product: Product, folder: Path) -> None:
    script = block_with("console", "orfeon chat").replace("orfeon ", f"{executable()} ")
    done = subprocess.run(
        ["bash", "-euo", "pipefail", "-c", script],
        cwd=folder,
        env={**os.environ, "ORFEON_HOME": str(product.home)},
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert "sk-orf-" in done.stdout
