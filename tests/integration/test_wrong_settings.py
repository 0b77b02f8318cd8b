"""A process with a setting that cannot be meant says which one it is, and ends."""

import os
import subprocess
import sys

import pytest


@pytest.mark.parametrize(
    ("module", "name"),
    [
        ("gateway", "ORFEON_GATEWAY_PORT"),
        ("gateway.migrations", "ORFEON_GATEWAY_PORT"),
        ("gateway.acceptance", "ORFEON_ACCEPTANCE_WAIT_SECONDS"),
        ("services.arbiter", "ORFEON_ARBITER_METRICS_PORT"),
        ("services.chat", "ORFEON_CHAT_SLOTS"),
        ("services.song", "ORFEON_SONG_METRICS_PORT"),
        ("services.studio", "ORFEON_STUDIO_PORT"),
        ("services.training", "ORFEON_TRAINING_METRICS_PORT"),
    ],
)
def test_it_is_named_in_a_sentence(module: str, name: str) -> None:
    ended = subprocess.run(
        [sys.executable, "-m", module],
        env={**os.environ, name: "many"},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert ended.returncode == 1
    # Others that it cannot do without may be missing here.
    lines = ended.stderr.splitlines()
    assert all(line.startswith("ORFEON_") for line in lines), ended.stderr
    [line] = [each for each in lines if each.startswith(f"{name}: ")]
    assert "Input should be a valid " in line
    assert "many" not in line
