"""What a container imports before it listens: whoever waits for a killed one waits for that."""

import subprocess
import sys

import pytest

#: What only few models, or machines without an arbiter, need.
NOT_AT_START = {"httpx", "huggingface_hub", "opentelemetry", "pynvml"}


@pytest.mark.parametrize("capability", ["chat", "lyrics", "speech"])
def test_a_container_starts_without_what_few_need(capability: str) -> None:
    code = f"import sys, services.{capability}.__main__; print(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert set(done.stdout.split()) & NOT_AT_START == set()


def test_the_gateway_starts_without_what_makes_traces() -> None:
    # FastAPI and redis-py import parts of OpenTelemetry, which do nothing by themselves.
    code = "import sys, gateway.__main__; print(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    makers = {"opentelemetry.sdk.trace", "opentelemetry.exporter"}
    assert makers & set(done.stdout.split()) == set()
