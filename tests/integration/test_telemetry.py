"""Libraries that would tell their makers about us do not."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

#: The modules that import ONNX Runtime, by themselves or by a library of theirs.
ENGINES = [
    "services.emotion.export.comparison",
    "services.emotion.silero_engine",
    "services.emotion.speaker_engine",
    "services.emotion.whisper_head_engine",
    "services.melody.onnx_engine",
    "services.speech.faster_whisper_engine",
    "services.speech.piper_engine",
]


@pytest.mark.parametrize("module", ENGINES)
def test_no_engine_leaves_a_note_for_anybody(tmp_path: Path, module: str) -> None:
    unsaid = ("ORT_DISABLE_TELEMETRY", "XDG_CACHE_HOME", "CI")
    environment = {name: value for name, value in os.environ.items() if name not in unsaid}
    code = f"import {module}, sys; assert 'onnxruntime' in sys.modules"
    if module == "services.speech.faster_whisper_engine":
        code = f"import {module}, onnxruntime"  # That library imports it at need.
    subprocess.run(
        [sys.executable, "-c", code], env=environment | {"HOME": str(tmp_path)}, check=True
    )
    assert list(tmp_path.rglob("*onnxruntime*")) == []


def test_every_module_that_imports_it_is_looked_at() -> None:
    services = Path(__file__).resolve().parents[2] / "services"
    found = {
        ".".join(path.relative_to(services.parent).with_suffix("").parts)
        for path in services.rglob("*.py")
        if "import onnxruntime" in path.read_text("utf-8")
    }
    assert found <= set(ENGINES)
