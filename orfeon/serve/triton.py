"""How the Triton server of the wheel `nvidia-pytriton` is started: by `orfeon serve` and by tests.

The wheel holds the real server, for CPUs, with its Python backend. Of its own Python code
nothing is used.
"""

import hashlib
import importlib.metadata
import os
import shutil
import sys
import sysconfig
import venv
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

import orfeon
from orfeon.fault import Fault

_ROOT = Path(orfeon.__file__).parents[1]
_WHEEL = "nvidia-pytriton"
#: What the wheel lacks.
_BACKENDS = Path(__file__).parent / "backends"
#: The wheel's Python backend is of before NumPy 2, whose arrays it takes for empty.
_OLD_NUMPY = Path(sys.prefix) / "triton"

#: Models of a checkout. Who has installed Orfeón otherwise names a folder.
REPOSITORY = _ROOT / "triton-repo"

#: How much of the resource `memory` there is on each device. The heavy models of triton-repo/ take
#: so much of it together that no two run at once which may not both fit.
MEMORY_UNITS = 4
#: Of how many requests without a trace of theirs one is traced: of next to none.
TRACE_RATE = 1_000_000_000


@dataclass(frozen=True, slots=True)
class Launch:
    """A command, all of its environment, what has to be done before each start, and at the end."""

    command: tuple[str, ...]
    environment: Mapping[str, str]
    prepare: Callable[[], None]
    clear: Callable[[], None]


def launch(
    url: str,
    folder: Path,
    repository: Path,
    environment: Mapping[str, str],
    *,
    metrics_port: int = 0,
    exit_seconds: int = 5,
) -> Launch:
    """How to start a server of the models in `repository`; it loads those that it is told to.

    `url` is where its gRPC listens: `127.0.0.1:port` or `unix:/path:1`, for Triton gives a socket's
    path a port too. Who may write there may have the server run anything. Nothing else of it
    listens but metrics, on this machine alone, if they have a port. `folder` takes its backends.
    `environment` is what it and its models see. Requests at work have `exit_seconds` to end after
    SIGTERM.

    Raises `Fault` where the server or the repository is not there.
    """
    site, triton, stub = _wheel()
    if not repository.is_dir():
        raise Fault(f"There are no models for Triton at {repository}; name a --triton-repository.")
    address, _, port = url.rpartition(":")
    # Each server of this machine needs shared memory of its own name.
    shared_memory = f"orfeon-triton-{hashlib.sha256(os.fsencode(folder)).hexdigest()[:16]}"
    command = (
        str(triton / "bin" / "tritonserver"),
        f"--model-repository={repository}",
        f"--backend-directory={folder / 'backends'}",
        f"--backend-config=python,shm-region-prefix-name={shared_memory}",
        "--model-control-mode=explicit",
        "--disable-auto-complete-config",
        "--exit-on-error=true",
        f"--exit-timeout-secs={exit_seconds}",
        # One model that cannot be loaded is no reason to send no requests for others.
        "--strict-readiness=false",
        "--rate-limit=execution_count",
        f"--rate-limit-resource=memory:{MEMORY_UNITS}",
        # Memory that a GPU could read: there is none.
        "--pinned-memory-pool-byte-size=0",
        f"--grpc-address={address}",
        f"--grpc-port={port}",
        "--allow-http=false",
        *_metrics(metrics_port),
        *traces(environment.get("OTEL_EXPORTER_OTLP_ENDPOINT", "")),
    )
    libraries = (site / "nvidia_pytriton.libs", str(sysconfig.get_config_var("LIBDIR")))
    programs = (folder / "venv" / "bin", environment.get("PATH", os.defpath))

    def prepare() -> None:
        # Once: programs of a server that has just died may still run.
        if not (folder / "venv").is_dir():
            _put_backends(triton, stub, folder / "backends")
            _put_environment(folder / "venv")
        clear()

    def clear() -> None:
        # Of a server that had no time to end by itself.
        for left in Path("/dev/shm").glob(f"{shared_memory}*"):
            left.unlink(missing_ok=True)

    return Launch(
        command,
        {
            **environment,
            "LD_LIBRARY_PATH": os.pathsep.join(map(str, libraries)),
            "PATH": os.pathsep.join(map(str, programs)),
        },
        prepare,
        clear,
    )


def _wheel() -> tuple[Path, Path, Path]:
    """Where the wheel is installed, the server in it, and its stub for this Python.

    Raises `Fault`.
    """
    try:
        site = Path(str(importlib.metadata.distribution(_WHEEL).locate_file("")))
    except importlib.metadata.PackageNotFoundError:
        site = Path()
    triton = site / "pytriton" / "tritonserver"
    if not triton.is_dir() or not _OLD_NUMPY.is_dir():
        raise Fault(
            "The Triton server is not installed here. 'make run TRITON=1' installs it, and so does "
            f"'pip install --no-deps {_WHEEL}==0.7.0' followed by "
            f"'pip install --no-deps --target {_OLD_NUMPY} numpy==1.26.4'."
        )
    version = f"{sys.version_info.major}.{sys.version_info.minor}"
    stub = triton / "python_backend_stubs" / version / "triton_python_backend_stub"
    if not stub.is_file():
        raise Fault(f"The Triton server of {_WHEEL} takes no models in Python {version}.")
    return site, triton, stub


def _metrics(port: int) -> tuple[str, ...]:
    if not port:
        return ("--allow-metrics=false",)
    return ("--metrics-address=127.0.0.1", f"--metrics-port={port}")


def traces(endpoint: str) -> tuple[str, ...]:
    """Arguments that make a server's spans part of the traces of who calls it.

    They are sent to a collector at `endpoint`, which takes OTLP over HTTP; empty for none.
    """
    if not endpoint:
        return ()
    return (
        "--trace-config=mode=opentelemetry",
        f"--trace-config=opentelemetry,url={endpoint.rstrip('/')}/v1/traces",
        "--trace-config=opentelemetry,resource=service.name=orfeon-triton",
        "--trace-config=level=TIMESTAMPS",
        # One of so many requests that name no trace. Those that do, since theirs is kept, all have
        # spans.
        f"--trace-config=rate={TRACE_RATE}",
    )


def _put_backends(triton: Path, stub: Path, folder: Path) -> None:
    """Backends: Python's, by this Python, and what we have for what the wheel lacks."""
    # Copied, since Triton refuses libraries that are links to elsewhere.
    shutil.copytree(triton / "backends" / "python", folder / "python", dirs_exist_ok=True)
    shutil.copy(stub, folder / "python")
    for path in _BACKENDS.glob("*/model.py"):
        shutil.copytree(path.parent, folder / path.parent.name, dirs_exist_ok=True)


def _put_environment(folder: Path) -> None:
    """A virtual environment of the old NumPy, our code and our libraries.

    The wheel's Python backend heeds no PYTHONPATH, but takes the environment of the `python3` that
    it finds first.
    """
    venv.create(folder, symlinks=True)
    [packages] = folder.glob("lib/python*/site-packages")
    paths = (_OLD_NUMPY, _ROOT, sysconfig.get_path("purelib"))
    (packages / "orfeon.pth").write_text("\n".join(map(str, paths)))
