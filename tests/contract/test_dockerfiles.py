"""Every container has a Dockerfile that lints, runs as nobody and starts its own module."""

import json
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from scripts.lock import CONTAINERS, model_packages
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
LOCKS = sorted(
    path.relative_to(ROOT)
    for pattern in ("gateway/*.lock", "services/*/*.lock", "triton-repo/*.lock")
    for path in ROOT.glob(pattern)
)

EACH = pytest.mark.parametrize("dockerfile", DOCKERFILES, ids=str)
EACH_LOCK = pytest.mark.parametrize("lock", LOCKS, ids=str)


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


def versions(lock: Path) -> set[str]:
    """The `name==version` of all that a lock pins."""
    return set(re.findall(r"^\S+==\S+", (ROOT / lock).read_text("utf-8"), re.M))


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
    for word in ("title", "description", "licenses", "version"):
        assert f"org.opencontainers.image.{word}=" in labels
    assert not arguments(dockerfile, "HEALTHCHECK")


@EACH
def test_what_is_copied_is_there_and_is_sent_to_the_builder(dockerfile: Path) -> None:
    ignored = (ROOT / ".dockerignore").read_text("utf-8").splitlines()
    sent = {line.strip("!/") for line in ignored if line.startswith("!")}
    for name, argument in instructions(dockerfile):
        if name == "COPY" and "--from=" not in argument:
            *sources, _ = argument.split()
            for source in sources:
                assert list(ROOT.glob(source)), source
                assert source.split("/")[0] in sent


@EACH
def test_no_compiler_is_left_in_the_image(dockerfile: Path) -> None:
    assert not re.search(r"build-essential|gcc|g\+\+|cmake", str(final_stage(dockerfile)))


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


def test_the_image_of_triton_holds_each_capability_that_has_a_model_there() -> None:
    copied = {argument.split()[0] for argument in arguments(TRITON, "COPY")}
    models = {path.parent.name for path in ROOT.glob("triton-repo/*/config.pbtxt")}
    assert "triton-repo" in copied
    assert {f"services/{name.partition('_')[0]}" for name in models} <= copied


def test_the_image_of_triton_computes_with_the_libraries_of_the_other_images() -> None:
    """But those that only play notes."""
    there = versions(TRITON.parent / "requirements.lock")
    for lock in ("emotion/torch", "images/torch", "melody/musicgen", "speech/torch"):
        here = versions(Path(f"services/{lock}.lock"))
        assert {each.partition("==")[0] for each in here - there} <= {"tinysoundfont"}


def test_the_image_of_triton_starts_it_as_the_chart_does() -> None:
    (command,) = arguments(TRITON, "CMD")
    triton = container(of_kind({"triton": {"enabled": True}}, "Deployment")["triton"])
    given = [each for each in triton["args"] if "--exit-timeout-secs" not in each]
    assert json.loads(command) == ["tritonserver", *given]


@pytest.mark.parametrize("image", ["services/runtime", "triton-repo"])
def test_openmp_threads_wait_in_every_container_as_the_runtime_says(image: str) -> None:
    environment = " ".join(arguments(Path(image, "Dockerfile"), "ENV"))
    patient = (f"{name}={value}" for name, value in PATIENT.items())
    for setting in (*patient, "PYTHONUNBUFFERED=1"):
        assert setting in environment


@EACH_LOCK
def test_locks_pin_every_package_by_hash_and_name_no_index(lock: Path) -> None:
    text = (ROOT / lock).read_text("utf-8")
    assert "://" not in text
    assert "index-url" not in text
    requirements = [line for line in text.splitlines() if re.match(r"[a-z0-9]", line)]
    assert requirements
    assert all(re.match(r"\S+==\S+ .*\\$", line) for line in requirements)
    assert len(re.findall(r"--hash=sha256:[0-9a-f]{64}", text)) >= len(requirements)


@pytest.mark.parametrize("folder", CONTAINERS.values(), ids=str)
def test_images_hold_the_packages_of_their_default_models(folder: Path) -> None:
    lock = ROOT / folder / "models.lock"
    packages = model_packages(folder)
    locked = re.findall(r"^\S+==\S+", lock.read_text("utf-8"), re.M) if lock.exists() else []
    assert locked == packages


@pytest.mark.parametrize("folder", [f for f in CONTAINERS.values() if f.name != "runtime"], ids=str)
def test_every_container_agrees_with_the_layer_that_they_share(folder: Path) -> None:
    runtime = versions(CONTAINERS["runtime"] / "requirements.lock")
    own = versions(folder / "requirements.lock")
    named = {each.partition("==")[0] for each in own}
    assert {each for each in runtime if each.partition("==")[0] in named} <= own
