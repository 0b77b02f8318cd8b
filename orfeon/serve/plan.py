"""Which processes one machine runs, with which settings."""

import json
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import orfeon
from orfeon.capabilities import ARBITER, STUDIO
from orfeon.serve.child import ChildPlan
from orfeon.serve.probes import HttpProbe, ServiceProbe
from orfeon.serve.triton import launch

_ROOT = Path(orfeon.__file__).parents[1]

#: Services that call others, and which.
_CALLS = {"song": ("emotion", "lyrics", "melody", "speech")}
#: Services that compute nothing themselves, or next to nothing, or have no model until one is put
#: there, which then wants a GPU.
_WAITING = {*_CALLS, "images", "training"}

TRITON = "triton"
#: Services whose models may be on a Triton server.
_ON_TRITON = ("emotion", "images", "melody", "speech")

# Kernels take 107 characters of a socket's path and a zero.
_LONGEST_SOCKET_PATH = 107
#: Triton puts a port behind every address, that of a socket too.
_TRITON_SOCKET = "triton.sock:1"


@dataclass(frozen=True)
class Choices:
    """What can be chosen at `orfeon serve`.

    `grpc_port` is that of the public gRPC and `studio_port` that of the web app; 0 serves none.
    `threads` is for each service; 0 divides the cores. Metrics are served by the services from
    port `metrics_base_port` on, one port each in the order of `capabilities`, and by the arbiter
    from the next; 0 serves none. `memory` is how many bytes of RAM models may take together; 0
    takes what the machine has.
    `triton` is the folder of the models that a Triton server beside the services has; None
    starts no such server. Its metrics come after the arbiter's, and the web app's after those.
    `drain_seconds` is how long running requests may go on when all is stopped.
    """

    home: Path
    capabilities: tuple[str, ...]
    host: str = "127.0.0.1"
    port: int = 8000
    grpc_port: int = 0
    studio_port: int = 0
    engine: str = ""
    threads: int = 0
    memory: int = 0
    metrics_base_port: int = 0
    database_url: str = ""
    triton: Path | None = None
    drain_seconds: int = 5

    @property
    def url(self) -> str:
        """Where the gateway can be reached from this machine, without the version."""
        return f"http://{self._host}:{self.port}"

    @property
    def grpc(self) -> str:
        """Where gRPC can be reached from this machine; empty where it is not served."""
        return f"{self._host}:{self.grpc_port}" if self.grpc_port else ""

    @property
    def studio(self) -> str:
        """Where the web app is for a browser on this machine; empty where it is not served."""
        return f"http://{self._host}:{self.studio_port}" if self.studio_port else ""

    @property
    def _host(self) -> str:
        host = {"0.0.0.0": "127.0.0.1", "::": "::1", "": "127.0.0.1"}.get(self.host, self.host)
        return f"[{host}]" if ":" in host else host


def socket_fits(folder: Path, capabilities: Sequence[str]) -> bool:
    """Whether sockets in `folder` have paths that the kernel takes."""
    sockets = (*(f"{name}.sock" for name in (*capabilities, ARBITER)), _TRITON_SOCKET)
    longest = max(len(str(folder / socket).encode()) for socket in sockets)
    return longest <= _LONGEST_SOCKET_PATH


def children(
    choices: Choices, run: Path, cores: int, environment: Mapping[str, str]
) -> list[ChildPlan]:
    """The arbiter, Triton, services, gateway and web app, over sockets in the folder `run`.

    `environment` is what all children are given besides. Raises `Fault` where Triton is wanted and
    not there.
    """
    busy = sum(name not in _WAITING for name in choices.capabilities)
    threads = str(choices.threads or max(1, cores // max(1, busy)))
    addresses = {name: f"unix:{run / name}.sock" for name in choices.capabilities}
    shared = {
        **environment,
        "ORFEON_HOME": str(choices.home),
        # `-P` keeps the working directory out of the search, where anything may lie; our own
        # folder has to be in it even where Orfeón was not installed.
        "PYTHONPATH": _joined(str(_ROOT), environment.get("PYTHONPATH", "")),
        "PYTHONUNBUFFERED": "1",
        # See services/runtime/threads.py: threads that spin while they wait starve the others.
        "OMP_WAIT_POLICY": "ACTIVE",
        "GOMP_SPINCOUNT": "1000",
        "KMP_BLOCKTIME": "0",
        "OPENBLAS_NUM_THREADS": "1",
        "OMP_NUM_THREADS": threads,
    }
    arbiter = f"unix:{run / ARBITER}.sock"
    served = {**shared, "ORFEON_ARBITER": arbiter}
    triton = [] if choices.triton is None else [_triton(choices, choices.triton, run, shared)]
    plans = [
        _service(
            choices, name, addresses, threads, served | _with_triton(choices, name, run), index
        )
        for index, name in enumerate(addresses)
    ]
    gateway = {
        **shared,
        **_upstreams("ORFEON_GATEWAY_", addresses),
        # Large bodies come and go; glibc would otherwise keep much of what they took.
        "MALLOC_ARENA_MAX": "2",
        "MALLOC_MMAP_THRESHOLD_": "131072",
        "MALLOC_TRIM_THRESHOLD_": "131072",
        "ORFEON_GATEWAY_HOST": choices.host,
        "ORFEON_GATEWAY_PORT": str(choices.port),
        "ORFEON_GATEWAY_GRPC_PORT": str(choices.grpc_port),
        "ORFEON_GATEWAY_DRAIN_SECONDS": str(choices.drain_seconds),
        "ORFEON_GATEWAY_DATABASE_URL": choices.database_url,
    }
    return [
        _arbiter(choices, arbiter, run, shared),
        *triton,
        *plans,
        ChildPlan(
            "gateway",
            _module("gateway"),
            gateway,
            lambda: HttpProbe(choices.url),
            stop=0,
        ),
        *([_studio(choices, shared)] if choices.studio_port else []),
    ]


def _arbiter(choices: Choices, address: str, run: Path, shared: Mapping[str, str]) -> ChildPlan:
    metrics_port = choices.metrics_base_port and (
        choices.metrics_base_port + len(choices.capabilities)
    )
    own = {
        "ORFEON_ARBITER_ADDRESS": address,
        "ORFEON_ARBITER_METRICS_PORT": str(metrics_port),
        "ORFEON_ARBITER_METRICS_HOST": "127.0.0.1",
        # It lives as long as its clients do; at the first start there is nobody to wait for.
        "ORFEON_ARBITER_STATE": str(run),
        "ORFEON_ARBITER_SETTLE_SECONDS": "0",
    }
    if choices.memory:
        own["ORFEON_ARBITER_BUDGETS"] = json.dumps({"cpu": choices.memory})
    return ChildPlan(
        ARBITER, _module("services.arbiter"), {**shared, **own}, lambda: ServiceProbe(address)
    )


def _triton(choices: Choices, repository: Path, run: Path, shared: Mapping[str, str]) -> ChildPlan:
    metrics_port = choices.metrics_base_port and (
        choices.metrics_base_port + len(choices.capabilities) + 1
    )
    url = f"unix:{run / _TRITON_SOCKET}"
    # Its models read the settings of their capabilities.
    threads = {f"ORFEON_{name.upper()}_THREADS": shared["OMP_NUM_THREADS"] for name in _ON_TRITON}
    planned = launch(
        url,
        run,
        repository,
        {**shared, **threads},
        metrics_port=metrics_port,
        exit_seconds=choices.drain_seconds,
    )
    return ChildPlan(
        TRITON,
        planned.command,
        planned.environment,
        lambda: ServiceProbe(url),
        # Services have it unload their models when they end.
        stop=2,
        prepare=planned.prepare,
        clear=planned.clear,
    )


def _with_triton(choices: Choices, name: str, run: Path) -> dict[str, str]:
    """What a service is told of the server, if there is one and it can use it."""
    if choices.triton is None or name not in _ON_TRITON:
        return {}
    prefix = f"ORFEON_{name.upper()}_"
    return {
        f"{prefix}ENGINE": TRITON,
        f"{prefix}TRITON_URL": f"unix:{run / _TRITON_SOCKET}",
        # The models there take this machine's memory, as all others do.
        f"{prefix}TRITON_DEVICE": "cpu",
        f"{prefix}TRITON_SHARED_MEMORY": "true",
    }


def _service(
    choices: Choices,
    name: str,
    addresses: Mapping[str, str],
    threads: str,
    shared: Mapping[str, str],
    index: int,
) -> ChildPlan:
    prefix, address = f"ORFEON_{name.upper()}_", addresses[name]
    metrics_port = choices.metrics_base_port and choices.metrics_base_port + index
    own = {
        f"{prefix}ADDRESS": address,
        f"{prefix}THREADS": threads,
        f"{prefix}METRICS_PORT": str(metrics_port),
        f"{prefix}METRICS_HOST": "127.0.0.1",
        f"{prefix}DRAIN_SECONDS": str(choices.drain_seconds),
    }
    if choices.engine:
        own[f"{prefix}ENGINE"] = choices.engine
    called = {other: addresses[other] for other in _CALLS.get(name, ()) if other in addresses}
    own |= _upstreams(prefix, called)
    return ChildPlan(
        name, _module(f"services.{name}"), {**shared, **own}, lambda: ServiceProbe(address)
    )


def _studio(choices: Choices, shared: Mapping[str, str]) -> ChildPlan:
    metrics_port = choices.metrics_base_port and (
        choices.metrics_base_port + len(choices.capabilities) + 2
    )
    own = {
        "ORFEON_STUDIO_HOST": choices.host,
        "ORFEON_STUDIO_PORT": str(choices.studio_port),
        "ORFEON_STUDIO_GATEWAY_URL": choices.url,
        "ORFEON_STUDIO_METRICS_PORT": str(metrics_port),
        "ORFEON_STUDIO_METRICS_HOST": "127.0.0.1",
        "ORFEON_STUDIO_DRAIN_SECONDS": str(choices.drain_seconds),
    }
    return ChildPlan(
        STUDIO,
        _module("services.studio"),
        {**shared, **own},
        lambda: HttpProbe(choices.studio),
        stop=0,
    )


def _upstreams(prefix: str, addresses: Mapping[str, str]) -> dict[str, str]:
    """Where the services are, as settings of one that calls them."""
    return {f"{prefix}UPSTREAMS__{name.upper()}": address for name, address in addresses.items()}


def _module(name: str) -> tuple[str, ...]:
    return (sys.executable, "-P", "-m", name)


def _joined(first: str, rest: str) -> str:
    return f"{first}:{rest}" if rest else first
