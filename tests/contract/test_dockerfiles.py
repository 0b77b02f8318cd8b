"""Every container has a Dockerfile that lints, runs as nobody and starts its own module."""

import ast
import json
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from services.runtime.threads import PATIENT
from tests.contract.chart import container, of_kind

ROOT = Path(__file__).resolve().parent.parent.parent
HADOLINT = shutil.which("hadolint", path=str(Path(sys.executable).parent)) or "hadolint"
DOCKERFILES = sorted(
    path.relative_to(ROOT)
    for pattern in ("gateway/Dockerfile", "services/*/Dockerfile*", "triton-repo/Dockerfile")
    for path in ROOT.glob(pattern)
)
TRITON = Path("triton-repo/Dockerfile")
PYTHON = [path for path in DOCKERFILES if path.parent.name not in ("runtime", "triton-repo")]

EACH = pytest.mark.parametrize("dockerfile", DOCKERFILES, ids=str)


def instructions(dockerfile: Path) -> list[tuple[str, str]]:
    """Every instruction with its arguments, continued lines joined, comments left out."""
    lines = (ROOT / dockerfile).read_text("utf-8").splitlines()
    text = "\n".join(line for line in lines if not line.lstrip().startswith("#"))
    joined = re.sub(r"\\\n\s*", " ", text)
    pairs = (line.split(maxsplit=1) for line in joined.splitlines() if line.strip())
    return [(name.upper(), argument) for name, argument in pairs]


def final_stage(dockerfile: Path) -> list[tuple[str, str]]:
    """The instructions from the last FROM on."""
    found = instructions(dockerfile)
    last = max(index for index, (name, _) in enumerate(found) if name == "FROM")
    return found[last:]


def arguments(dockerfile: Path, name: str) -> list[str]:
    return [argument for each, argument in final_stage(dockerfile) if each == name]


def test_there_is_a_dockerfile_for_the_gateway_triton_and_each_capability() -> None:
    folders = {path.parent.name for path in ROOT.glob("services/*/servicer.py")}
    assert {"gateway", "triton-repo", "runtime", *folders} <= {
        path.parent.name for path in DOCKERFILES
    }


@EACH
def test_hadolint_finds_nothing(dockerfile: Path) -> None:
    done = subprocess.run(
        [HADOLINT, "--no-color", str(dockerfile)],
        cwd=ROOT, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert (done.returncode, done.stdout) == (0, "")


@EACH
def test_containers_run_as_a_numbered_user_that_is_not_root(dockerfile: Path) -> None:
    *_, user = arguments(dockerfile, "USER")
    assert user == "65532:65532"


@EACH
def test_images_are_labelled_and_leave_health_to_the_cluster(dockerfile: Path) -> None:
    labels = " ".join(arguments(dockerfile, "LABEL"))
    for word in ("title", "description", "licenses", "version", "revision", "source"):
        assert f"org.opencontainers.image.{word}=" in labels
    given = " ".join(arguments(dockerfile, "ARG"))
    for word in ("VERSION", "REVISION", "SOURCE"):
        assert f"{word}=" in given
    assert not arguments(dockerfile, "HEALTHCHECK")


@EACH
def test_what_is_copied_is_there_and_is_sent_to_the_builder(dockerfile: Path) -> None:
    ignored = (ROOT / ".dockerignore").read_text("utf-8").splitlines()
    sent = {line.strip("!/") for line in ignored if line.startswith("!")}
    for name, argument in instructions(dockerfile):
        if name == "COPY" and "--from=" not in argument:
            *sources, _ = argument.split()
            for source in sources:
                # A variant has a lock of its own.
                assert list(ROOT.glob(source.replace("${LOCK}", "*.lock"))), source
                assert source.split("/")[0] in sent


@EACH
def test_nothing_that_compiles_or_installs_is_left_in_the_image(dockerfile: Path) -> None:
    """What has pip is the stage before; the base of the last one has none."""
    last = str(final_stage(dockerfile))
    assert not re.search(r"build-essential|gcc|g\+\+|cmake|git |pip install", last)
    if dockerfile in PYTHON and dockerfile.parent.name != "arbiter":
        stages = [argument for name, argument in instructions(dockerfile) if name == "FROM"]
        assert stages[0] == "${BASE} AS base"
        assert stages[-1] == "base"
        assert {stage.split()[0] for stage in stages[1:-1]} in (
            {"${PYTHON}"},
            {"${PYTHON}", "cuda"},
        )


def test_python_is_pinned_for_all_images_by_one_build_argument() -> None:
    named = {
        argument
        for dockerfile in DOCKERFILES
        for name, argument in instructions(dockerfile)
        if name == "ARG" and argument.startswith("PYTHON=")
    }
    assert named == {"PYTHON=python:3.11-slim-bookworm"}


@pytest.mark.parametrize("dockerfile", PYTHON, ids=str)
def test_the_command_starts_the_module_of_the_same_folder(dockerfile: Path) -> None:
    (command,) = arguments(dockerfile, "CMD")
    module = str(dockerfile.parent).replace("/", ".")
    assert json.loads(command) == ["python", "-m", module]
    assert (ROOT / dockerfile.parent / "__main__.py").is_file()


@pytest.mark.parametrize("dockerfile", PYTHON, ids=str)
def test_no_container_holds_the_code_of_another(dockerfile: Path) -> None:
    own = {"orfeon", "services/__init__.py", "services/runtime", str(dockerfile.parent)}
    for argument in arguments(dockerfile, "COPY"):
        if "--from=" not in argument:
            source = argument.split()[0]
            assert source in own or source.startswith("orfeon/")


@pytest.mark.parametrize("dockerfile", [*PYTHON, TRITON], ids=str)
def test_all_that_the_code_in_an_image_imports_of_ours_is_in_it(dockerfile: Path) -> None:
    copied = [
        ROOT / source
        for argument in arguments(dockerfile, "COPY")
        if "--from=" not in argument
        for source in argument.split()[:-1]
    ]
    files = [
        file
        for source in copied
        for file in (source.rglob("*.py") if source.is_dir() else [source])
        if file.suffix == ".py"
    ]
    assert files
    lacking = {
        f"{file.relative_to(ROOT)} imports {name}"
        for file in files
        for name in _imported(file)
        if (found := _ours(name)) is not None and not any(map(found.is_relative_to, copied))
    }
    assert not lacking


def _imported(file: Path) -> Iterator[str]:
    """The modules that a file imports as it is loaded."""
    for node in ast.parse(file.read_text("utf-8")).body:
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            yield node.module
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def _ours(module: str) -> Path | None:
    """The file of a module of this repository."""
    path = ROOT / module.replace(".", "/")
    return next(
        (each for each in (path.with_suffix(".py"), path / "__init__.py") if each.is_file()), None
    )


def test_the_image_of_triton_holds_each_capability_that_has_a_model_there() -> None:
    copied = {argument.split()[0] for argument in arguments(TRITON, "COPY")}
    models = {path.parent.name for path in ROOT.glob("triton-repo/*/config.pbtxt")}
    assert "triton-repo" in copied
    assert {f"services/{name.partition('_')[0]}" for name in models} <= copied


def test_the_image_of_triton_starts_it_as_the_chart_does() -> None:
    (command,) = arguments(TRITON, "CMD")
    triton = container(of_kind({"triton": {"enabled": True}}, "Deployment")["triton"])
    given = [each for each in triton["args"] if "--exit-timeout-secs" not in each]
    assert json.loads(command) == ["tritonserver", *given]


@pytest.mark.parametrize("image", ["services/runtime", "triton-repo"])
def test_threads_wait_in_every_container_as_the_runtime_says(image: str) -> None:
    environment = " ".join(arguments(Path(image, "Dockerfile"), "ENV"))
    patient = (f"{name}={value}" for name, value in PATIENT.items())
    for setting in (*patient, "PYTHONUNBUFFERED=1"):
        assert setting in environment
