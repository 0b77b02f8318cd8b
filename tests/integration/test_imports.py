"""What a container imports before it listens: whoever waits for a killed one waits for that."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

from gateway.keystore import KeyStore
from tests.fakes.gateway import BODY, CHAT
from tests.fakes.script import Script
from tests.fakes.upstreams import serving as serving_services
from tests.integration.gateways import serving

#: What only few models, or machines without an arbiter, need.
NOT_AT_START = {"httpx", "huggingface_hub", "opentelemetry", "pynvml"}


@pytest.mark.parametrize("capability", ["chat", "lyrics", "speech"])
def test_a_container_starts_without_what_few_need(capability: str) -> None:
    code = f"import sys, services.{capability}.__main__; print(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert set(done.stdout.split()) & NOT_AT_START == set()


#: What a gateway needs beside PostgreSQL, Redis, a provider of identities or a collector of traces;
#: to make its database; to find keywords.
EMBEDDED_NEEDS_NOT = {
    "alembic", "cryptography", "httpx", "joserfc", "limits", "psycopg", "rapidfuzz",
    "redis",
    # The rest of OpenTelemetry comes with FastAPI, which asks whether somebody uses it.
    "opentelemetry.exporter", "opentelemetry.sdk",
}  # fmt: skip


async def test_a_gateway_with_all_in_it_never_loads_what_others_need(tmp_path: Path) -> None:
    keys = KeyStore(f"sqlite:///{tmp_path}/orfeon.db")
    _, secret = keys.create("any")
    keys.close()
    address = f"unix:{tmp_path}/services.sock"
    async with (
        serving_services(address, Script()),
        serving(tmp_path, address, "gateway", python=("-X", "importtime")) as [gateway],
        gateway.client(secret) as client,
    ):
        assert (await client.post(CHAT, json=BODY)).status_code == 200
        assert (await client.get("/metrics")).status_code == 200
        # Which writes down what was used before.
        assert (await client.get("/v1/usage")).json()["data"]
    imported = re.findall(r"^import time:.*\| +(\S+)$", gateway.log.read_text(), re.MULTILINE)
    assert "gateway.usage" in imported
    parents = {".".join(name.split(".")[:length]) for name in imported for length in (1, 2)}
    assert EMBEDDED_NEEDS_NOT & parents == set()
