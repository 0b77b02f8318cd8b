"""`orfeon serve`: everything on this machine."""

import asyncio
import os
import re
import time
from decimal import Decimal
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from orfeon.capabilities import known_capabilities
from orfeon.cli.keys import DatabaseUrl, database_url, open_store
from orfeon.cli.models import open_registry
from orfeon.cli.options import DEFAULT_HOME, Home, absolute
from orfeon.cli.output import err, out
from orfeon.cli.pulling import pull
from orfeon.fault import Fault

if TYPE_CHECKING:
    from gateway.keystore import KeyStore

#: What the contracts can say of a size; and less than this holds no model, so a unit was forgotten.
_LARGEST, _SMALLEST = 2**63 - 1, 1_000_000

_SIZE = re.compile(r"(\d+(?:\.\d+)?)\s*([kmgt]?)(i?)b?", re.IGNORECASE)


class _StoredKeys:
    """The key store, as far as starting up goes."""

    def __init__(self, store: "KeyStore") -> None:
        self._store = store

    def has_live(self) -> bool:
        """See `orfeon.serve.run.Keys`."""
        return any(key.is_live(time.time()) for key in self._store.list())

    def is_live(self, secret: str) -> bool:
        """See `orfeon.serve.run.Keys`."""
        return self._store.authenticate(secret) is not None

    def create(self, name: str) -> str:
        """See `orfeon.serve.run.Keys`. Whoever starts the product may do everything."""
        from gateway.keystore import SCOPES

        return self._store.create(name, scopes=SCOPES)[1]


def serve(
    host: Annotated[str, typer.Option(help="Address to listen on; 0.0.0.0 for all.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(min=0, max=65535, help="0 takes any free one.")] = 8000,
    grpc_port: Annotated[
        int, typer.Option(min=0, max=65535, help="Port of the public gRPC; 0 serves none.")
    ] = 50051,
    studio_port: Annotated[
        int, typer.Option(min=0, max=65535, help="Port of Studio, the web app; 0 serves none.")
    ] = 7860,
    capabilities: Annotated[
        str, typer.Option(help="Which services to run, with commas. Default: all.")
    ] = "",
    engine: Annotated[
        str, typer.Option(help="'fake' answers without weights, to try the API out.")
    ] = "",
    threads: Annotated[
        int, typer.Option(min=0, help="Threads for each service; 0 divides the cores.")
    ] = 0,
    memory: Annotated[
        str, typer.Option(help="RAM for models: 600MB, 4GB. Default: what the machine has.")
    ] = "",
    metrics_base_port: Annotated[
        int, typer.Option(min=0, max=65000, help="Services show metrics from this port on; 0 none.")
    ] = 0,
    triton: Annotated[
        bool, typer.Option("--triton", help="Have a Triton server compute what it can.")
    ] = False,
    triton_repository: Annotated[
        Path | None, typer.Option(help="Its models. Default: triton-repo/ of the checkout.")
    ] = None,
    verbose: Annotated[bool, typer.Option("--verbose", "-v", help="Show the logs here.")] = False,
    home: Home = DEFAULT_HOME,
    database: DatabaseUrl = "",
) -> None:
    """Run the gateway and the services on this machine, until Ctrl-C."""
    try:
        from orfeon.serve.plan import Choices
        from orfeon.serve.run import free_port
        from orfeon.serve.run import serve as run_all
        from orfeon.serve.triton import REPOSITORY
    except ImportError as error:
        raise Fault("The services are not installed here: pip install 'orfeon[serve]'.") from error
    chosen = _capabilities(capabilities)
    if triton and engine:
        raise Fault(f"--triton and --engine {engine} are two answers to one question; choose one.")
    if triton_repository is not None and not triton:
        raise Fault("--triton-repository is for --triton; give both, or neither.")
    if grpc_port and grpc_port == port:
        raise Fault(f"Port {port} is HTTP's; choose another with --grpc-port.")
    if studio_port and studio_port in (port, grpc_port):
        raise Fault(f"Port {studio_port} is the gateway's; choose another with --studio-port.")
    place = absolute(home)
    place.mkdir(mode=0o700, parents=True, exist_ok=True)
    choices = Choices(
        home=place,
        capabilities=chosen,
        host=host,
        port=free_port(host, port),
        grpc_port=grpc_port and free_port(host, grpc_port, "--grpc-port"),
        studio_port=studio_port and free_port(host, studio_port, "--studio-port"),
        engine=engine,
        threads=threads,
        memory=memory_size(memory) if memory else 0,
        metrics_base_port=metrics_base_port,
        triton=absolute(triton_repository or REPOSITORY) if triton else None,
        database_url=database_url(home, database),
    )
    if engine != "fake":
        _pull_defaults(place, chosen)
    # Keys are made before the gateway starts, which would do it then.
    store = open_store(home, database, migrate="auto")
    try:
        keys = _StoredKeys(store)
        asyncio.run(run_all(choices, keys, out(), os.environ, verbose=verbose))
    finally:
        store.close()


def memory_size(text: str) -> int:
    """Bytes that models may take together, as `--memory` says them. Raises `Fault`."""
    size = parse_size(text)
    if size < _SMALLEST:
        raise Fault(f"No model fits into {size} bytes; give the unit too, like 600MB or 4GB.")
    return size


def parse_size(text: str) -> int:
    """Bytes of a size like 600MB, 4GB or 4GiB. Raises `Fault`."""
    found = _SIZE.fullmatch(text.strip())
    if found is not None:
        power = " kmgt".index(found[2].lower() or " ")
        # No float: it has no room for every number that can be written.
        size = int(Decimal(found[1]) * (1024 if found[3] else 1000) ** power)
        if 0 < size <= _LARGEST:
            return size
    raise Fault(f"{text!r} is no size; say it like 600MB, 4GB or 4GiB.")


def _capabilities(text: str) -> tuple[str, ...]:
    known = known_capabilities()
    chosen = tuple(dict.fromkeys(word.strip() for word in text.split(",") if word.strip())) or known
    if unknown := [name for name in chosen if name not in known]:
        raise Fault(f"There is no capability {unknown[0]!r}; there are {', '.join(known)}.")
    return chosen


def _pull_defaults(home: Path, capabilities: tuple[str, ...]) -> None:
    registry = open_registry(home)
    for manifest in registry.defaults():
        needed = manifest.capability in capabilities
        if needed and not registry.is_pulled(manifest):
            typer.echo(f"Fetching {manifest.name} ...")
            pull(registry, manifest, err())
