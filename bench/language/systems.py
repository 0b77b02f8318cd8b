"""The product and its peers, each as its own documentation starts it, on the same weights."""

import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

from bench.plain import weights
from bench.processes import free_port, serving, started, wait_for
from gateway.keystore import KeyStore
from services.runtime.threads import PATIENT

THREADS = 2
#: Conversations that each server but one serves together.
PLACES = 8
#: Tokens of context: of our product the model's own, of a conversation with llama.cpp's server an
#: eighth of it.
CONTEXT = 8192
#: The interpreter of the peers' environment.
PEERS = Path(sys.prefix + "-llama") / "bin" / "python"


@dataclass(frozen=True)
class System:
    """A server that speaks OpenAI's protocol, and its process."""

    url: str
    key: str
    pid: int


@contextmanager
def orfeon(folder: Path) -> Iterator[System]:
    """The product with chat alone."""
    home = folder / "home"
    store = KeyStore(f"sqlite:///{home / 'orfeon.db'}")
    _, key = store.create("bench", requests_per_minute=10**6)
    with serving(home, "--capabilities", "chat", "--threads", str(THREADS)) as served:
        yield System(served.url, key, served.pid)


@contextmanager
def llama_server(folder: Path) -> Iterator[System]:
    """llama.cpp's own server: batches continuously, first come, first served."""
    with _peer(
        [str(Path(__file__).parent / "peer.py"), str(weights(folder / "home")), "{port}",
         str(THREADS), str(PLACES), str(CONTEXT)],
        folder / "llama-server.log",
    ) as system:  # fmt: skip
        yield system


@contextmanager
def llama_cpp_server(folder: Path) -> Iterator[System]:
    """llama-cpp-python's server: one conversation at a time.

    It may not cut a running answer off when another request comes, as it does by default, and
    need not compute what only log-probabilities of prompts need.
    """
    with _peer(
        ["-m", "llama_cpp.server", "--model", str(weights(folder / "home")), "--port", "{port}",
         "--host", "127.0.0.1", "--n_ctx", str(CONTEXT), "--n_threads", str(THREADS),
         "--n_threads_batch", str(THREADS), "--interrupt_requests", "false",
         "--logits_all", "false"],
        folder / "llama-cpp-server.log",
    ) as system:  # fmt: skip
        yield system


@contextmanager
def _peer(arguments: list[str], log: Path) -> Iterator[System]:
    port = free_port()
    command = [argument.format(port=port) for argument in arguments]
    with started([str(PEERS), *command], env=PATIENT, core=None, log=log) as process:
        url = f"http://127.0.0.1:{port}"
        wait_for(f"{url}/v1/models", seconds=120)
        yield System(url, "none", process.pid)


@contextmanager
def everything(folder: Path) -> Iterator[dict[str, System]]:
    """All three. Those that have nothing to do wait without using a core."""
    with ExitStack() as stack:
        yield {
            "orfeon": stack.enter_context(orfeon(folder)),
            "llama-server": stack.enter_context(llama_server(folder)),
            "llama_cpp.server": stack.enter_context(llama_cpp_server(folder)),
        }
