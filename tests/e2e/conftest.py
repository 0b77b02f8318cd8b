"""The whole product, started as a user starts it: `orfeon serve` in an empty home."""

import json
import os
import re
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

import httpx
import openai
import psutil
import pytest

from tests.fakes.ports import free_port

# Its assertions say what was wrong with a page.
pytest.register_assert_rewrite("tests.e2e.studio.browsers")

#: A machine that does other things takes many times what another one does.
READY_SECONDS = 240


@dataclass
class Product:
    """A running product."""

    url: str
    grpc: str
    studio: str
    key: str
    home: Path
    process: "subprocess.Popen[str]"
    clients: list[openai.OpenAI] = field(default_factory=list)

    def client(self, key: str | None = None) -> openai.OpenAI:
        """The official client, which never retries: a test wants to see the first answer."""
        client = openai.OpenAI(
            base_url=f"{self.url}/v1", api_key=key or self.key, max_retries=0, timeout=120
        )
        self.clients.append(client)
        return client

    def http(self) -> httpx.Client:
        """A bare HTTP client with the key."""
        headers = {"authorization": f"Bearer {self.key}"}
        return httpx.Client(base_url=self.url, headers=headers, timeout=120)

    def orfeon(self, *arguments: str) -> "subprocess.CompletedProcess[str]":
        """Runs the command line beside the product."""
        return subprocess.run(
            [executable(), *arguments],
            env={**os.environ, "ORFEON_HOME": str(self.home)},
            capture_output=True,
            text=True,
            timeout=300,
        )

    def new_key(self, name: str, *options: str) -> tuple[str, str]:
        """Makes a key; returns its id and its secret."""
        made = json.loads(self.orfeon("keys", "create", name, "--json", *options).stdout)
        return made["id"], made["secret"]

    def service(self, name: str) -> psutil.Process:
        """The process of `python -m services.<name>`."""
        return self.part(f"services.{name}")

    def part(self, module: str) -> psutil.Process:
        """The process of `python -m <module>`, once there is one: it may just be starting again."""
        end = time.monotonic() + READY_SECONDS
        while time.monotonic() < end:
            for child in psutil.Process(self.process.pid).children(recursive=True):
                with suppress(psutil.Error):  # It has just died.
                    if module in child.cmdline():
                        return child
            time.sleep(0.05)
        raise LookupError(module)

    def wait_ready(self, seconds: float = READY_SECONDS) -> None:
        """Waits until every service is ready."""
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            try:
                if httpx.get(f"{self.url}/readyz", timeout=5).status_code == 200:
                    return
            except httpx.HTTPError:
                pass
            time.sleep(0.1)
        raise TimeoutError("the product was not ready in time")


def executable() -> str:
    """The installed command."""
    return str(Path(sys.executable).parent / "orfeon")


@contextmanager
def running(home: Path, *options: str, **environment: str) -> Iterator[Product]:
    """Starts the product and reads its key from what it prints."""
    port, grpc_port, studio_port = free_port(), free_port(), free_port()
    ports = ("--port", port, "--grpc-port", grpc_port, "--studio-port", studio_port)
    process = subprocess.Popen(
        [executable(), "serve", *map(str, ports), *options],
        env={**os.environ, "ORFEON_HOME": str(home), "COLUMNS": "200", **environment},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    printed: list[str] = []
    assert process.stdout is not None
    reader = threading.Thread(target=printed.extend, args=(process.stdout,), daemon=True)
    reader.start()
    product = Product(
        f"http://127.0.0.1:{port}",
        f"127.0.0.1:{grpc_port}",
        f"http://127.0.0.1:{studio_port}",
        "",
        home,
        process,
    )
    try:
        product.wait_ready()
        keys: list[str] = []
        # Printed once all are ready, the web app too.
        end = time.monotonic() + READY_SECONDS
        while not keys and time.monotonic() < end:
            keys = re.findall(r"sk-orf-\S+", "".join(printed))
            time.sleep(0.05)
        assert keys, "no key was printed:\n" + "".join(printed)
        product.key = keys[0]
        yield product
    finally:
        for client in product.clients:
            client.close()
        process.send_signal(signal.SIGINT)
        try:
            process.wait(30)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
        reader.join(5)
        process.stdout.close()


@pytest.fixture(scope="session")
def product(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Product]:
    """The product as it comes, started once for every test.

    But for one setting: on a machine busy enough a service that was killed takes longer to come
    back than the gateway usually waits for it.
    """
    home = tmp_path_factory.mktemp("home")
    with running(home, ORFEON_GATEWAY_RETRY_SECONDS="60") as product:
        yield product
