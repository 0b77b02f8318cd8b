"""`helm test`'s program and its recording against the whole product and its real models."""

import os
import subprocess
import sys
from pathlib import Path

from tests.e2e.conftest import Product

VOICE = Path(__file__).parents[2] / "charts" / "orfeon" / "files" / "voice.wav"


def test_a_release_is_accepted(product: Product) -> None:
    told = {
        "ORFEON_HOME": str(product.home),
        "ORFEON_ACCEPTANCE_URL": product.url,
        "ORFEON_ACCEPTANCE_CLIP": str(VOICE),
    }
    done = subprocess.run(
        [sys.executable, "-m", "gateway.acceptance"],
        env=os.environ | told, capture_output=True, text=True, timeout=240,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    assert "Voice: emotion-" in done.stdout
    assert "Chat: answered with " in done.stdout
