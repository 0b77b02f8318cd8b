"""What a container imports before it listens: whoever waits for a killed one waits for that."""

import subprocess
import sys

import pytest

#: What only few models, or machines without an arbiter, need.
NOT_AT_START = {"httpx", "huggingface_hub", "pynvml"}


@pytest.mark.parametrize("capability", ["chat", "lyrics", "speech"])
def test_a_container_starts_without_what_few_need(capability: str) -> None:
    code = f"import sys, services.{capability}.__main__; print(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert set(done.stdout.split()) & NOT_AT_START == set()
