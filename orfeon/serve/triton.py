"""How the Triton server of the wheel `nvidia-pytriton` is started: by `orfeon serve` and by tests.

The wheel holds the real server, for CPUs, with its Python backend. Of its own Python code
nothing is used.
"""

import importlib.metadata
import os
import shutil
import sys
import sysconfig
import venv
from collections.abc import Mapping
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
#: Answers kept for the models whose configuration asks for it.
CACHE_BYTES = 64 << 20


@dataclass(frozen=True, slots=True)
class Launch:
    """A command, and all of its environment."""

    command: tuple[str, ...]
    environment: Mapping[str, str]


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

    `url` is where its gRPC listens, and nothing else of it does but metrics, if they have a port:
    `127.0.0.1:port` or `unix:/path:1`, for Triton gives a socket's path a port too. Who may
    write there may have the server run anything. `folder` takes its backends. `environment` is
    what it and its models see. Requests at work have `exit_seconds` to end after SIGTERM.

    Raises `Fault` where the server or the repository is not there.
    """
    site, triton = _wheel()
    if not repository.is_dir():
        raise Fault(f"There are no models for Triton at {repository}; name a --triton-repository.")
    address, _, port = url.rpartition(":")
    command = (
        str(triton / "bin" / "tritonserver"),
        f"--model-repository={repository}",
        f"--backend-directory={_backends(triton, folder)}",
        # Each server of this machine needs shared memory of its own name.
        f"--backend-config=python,shm-region-prefix-name={shared_memory_prefix(folder)}",
        f"--cache-directory={triton / 'caches'}",
        f"--cache-config=local,size={CACHE_BYTES}",
        "--model-control-mode=explicit",
        "--disable-auto-complete-config",
        "--exit-on-error=true",
        f"--exit-timeout-secs={exit_seconds}",
        "--rate-limit=execution_count",
        f"--rate-limit-resource=memory:{MEMORY_UNITS}",
        # Memory that a GPU could read: there is none.
        "--pinned-memory-pool-byte-size=0",
        f"--grpc-address={address}",
        f"--grpc-port={port}",
        "--allow-http=false",
        *_metrics(metrics_port),
    )
    libraries = (site / "nvidia_pytriton.libs", str(sysconfig.get_config_var("LIBDIR")))
    programs = (_environment(folder), environment.get("PATH", os.defpath))
    return Launch(
        command,
        {
            **environment,
            "LD_LIBRARY_PATH": os.pathsep.join(map(str, libraries)),
            "PATH": os.pathsep.join(map(str, programs)),
        },
    )


def shared_memory_prefix(folder: Path) -> str:
    """How the names in /dev/shm begin through which the server and its models talk."""
    return f"orfeon-triton-{folder.name}"


def _wheel() -> tuple[Path, Path]:
    """Where the wheel is installed, and the server in it. Raises `Fault`."""
    try:
        site = Path(str(importlib.metadata.distribution(_WHEEL).locate_file("")))
    except importlib.metadata.PackageNotFoundError:
        site = Path()
    triton = site / "pytriton" / "tritonserver"
    if not triton.is_dir() or not _OLD_NUMPY.is_dir():
        raise Fault(
            "The Triton server is not installed here. 'make run TRITON=1' installs it, or: "
            f"pip install --no-deps {_WHEEL}==0.7.0 && "
            f"pip install --no-deps --target {_OLD_NUMPY} numpy==1.26.4"
        )
    return site, triton


def _metrics(port: int) -> tuple[str, ...]:
    if not port:
        return ("--allow-metrics=false",)
    return ("--metrics-address=127.0.0.1", f"--metrics-port={port}")


def _backends(triton: Path, folder: Path) -> Path:
    """A folder of backends: Python's, by this Python, and what we have for what the wheel lacks."""
    version = f"{sys.version_info.major}.{sys.version_info.minor}"
    stub = triton / "python_backend_stubs" / version / "triton_python_backend_stub"
    if not stub.is_file():
        raise Fault(f"The Triton server of {_WHEEL} has no backend for Python {version}.")
    python = folder / "backends" / "python"
    # Triton refuses libraries that are links to elsewhere.
    shutil.copytree(triton / "backends" / "python", python, dirs_exist_ok=True)
    shutil.copy(stub, python)
    for path in _BACKENDS.glob("*/model.py"):
        shutil.copytree(path.parent, python.parent / path.parent.name, dirs_exist_ok=True)
    return python.parent


def _environment(folder: Path) -> Path:
    """The programs of a virtual environment that holds the old NumPy, our code and our libraries.

    The wheel's Python backend heeds no PYTHONPATH, but takes the environment of the `python3` that
    it finds first.
    """
    place = folder / "venv"
    venv.create(place, symlinks=True)
    [packages] = place.glob("lib/python*/site-packages")
    paths = (_OLD_NUMPY, _ROOT, sysconfig.get_path("purelib"))
    (packages / "orfeon.pth").write_text("\n".join(map(str, paths)))
    return place / "bin"
