"""The examples of docs/emotion.md, run as they stand."""

import contextlib
import io
import os
import re
import subprocess
from pathlib import Path

import pytest

from services.runtime.audio import AudioLimits, decode
from tests.e2e.conftest import Product, executable
from tests.recordings import wav

PAGE = (Path(__file__).resolve().parents[2] / "docs" / "emotion.md").read_text("utf-8")
SAID = "Good morning to all of you. It is so good to see you here today."
#: What an example's answer holds, by what the example does.
ANSWERS = {
    "top_k": '"object":"audio.classification"',
    "stream=true": "data: [DONE]",
    "include[]": '"emotion":{"label":',
    "num_speakers": "SPEAKER voice 1 ",
    "known_speaker": '"task":"diarize"',
    "diarization": '"task":"diarize"',
    "embeddings": '"object":"embedding"',
    "keywords": '"keyword":"morning"',
}


def blocks(language: str) -> list[str]:
    return re.findall(rf"```{language}\n(.*?)```", PAGE, re.DOTALL)


def calls() -> list[str]:
    """Each call of curl on the page."""
    return [
        call.strip()
        for block in blocks("console")
        for call in re.split(r"\n\n", block)
        if "curl " in call
    ]


@pytest.fixture(scope="module")
def folder(product: Product, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where a reader stands, with the recording that the page takes for granted."""
    folder = tmp_path_factory.mktemp("reader")
    speech = product.client().audio.speech.create(
        model="tts-1", voice="joe", input=SAID, response_format="wav"
    )
    samples = decode(io.BytesIO(speech.read()), 16_000, AudioLimits(max_seconds=60))
    (folder / "voice.wav").write_bytes(wav(samples[:, None]))
    return folder


@pytest.mark.parametrize("call", calls())
def test_the_curl_examples_answer_as_they_say(product: Product, folder: Path, call: str) -> None:
    script = call.replace("localhost:8000", product.url).replace(
        "curl ", "curl -sS --fail-with-body "
    )
    done = subprocess.run(
        ["bash", "-euo", "pipefail", "-c", script],
        cwd=folder,
        env={**os.environ, "KEY": product.key},
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    wanted = next(answer for what, answer in ANSWERS.items() if what in call)
    assert wanted in done.stdout


def test_the_python_example_runs(product: Product, folder: Path) -> None:
    [code] = blocks("python")
    code = code.replace("http://localhost:8000", product.url).replace("sk-orf-...", product.key)
    printed = io.StringIO()
    with contextlib.chdir(folder), contextlib.redirect_stdout(printed):
        exec(compile(code, "emotion.md", "exec"), {})
    assert "SessionCreated(" in printed.getvalue()
    assert "SpeechStarted(" in printed.getvalue()
    assert "SessionFinished(" in printed.getvalue()


def test_the_commands_run(product: Product, folder: Path) -> None:
    [script] = [block for block in blocks("console") if block.startswith("orfeon")]
    done = subprocess.run(
        ["bash", "-euo", "pipefail", "-c", script.replace("orfeon ", f"{executable()} ")],
        cwd=folder,
        env={**os.environ, "ORFEON_HOME": str(product.home)},
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    for part in ("voice.wav (", "nobody", "the end;", "SPEAKER voice 1 ", "morning"):
        assert part in done.stdout
