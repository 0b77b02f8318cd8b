"""The dependency rule: contract <- runtime <- capability, contract <- runtime <- gateway."""

import ast
import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
OWN = {"gateway", "services", "orfeon"}
MODEL_LIBRARIES = {
    "audiocraft", "ctranslate2", "diffusers", "faster_whisper", "llama_cpp", "onnxruntime",
    "peft", "piper", "torch", "transformers", "tritonclient",
}  # fmt: skip
#: Programs that serve nobody. The service that has models trained is none of them.
IS_TRAINING = re.compile(r"services/\w+/(training|export)/")
CAPABILITIES = {
    path.parent.name
    for path in (ROOT / "services").glob("*/servicer.py")
}  # fmt: skip


def modules(folder: str) -> Iterator[Path]:
    for path in sorted((ROOT / folder).rglob("*.py")):
        if "api" not in path.relative_to(ROOT).parts[1:2]:
            yield path


@cache
def imports(path: Path) -> set[str]:
    """Dotted names that a module imports, anywhere in it."""
    names: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text("utf-8"))):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: relative import"
            names.add(str(node.module))
            names |= {f"{node.module}.{alias.name}" for alias in node.names}
    return names


def offences(folder: str, forbidden: str) -> list[str]:
    return [
        f"{path.relative_to(ROOT)} imports {name}"
        for path in modules(folder)
        for name in sorted(imports(path))
        if name == forbidden or name.startswith(forbidden + ".")
    ]


def test_there_are_capabilities_to_check() -> None:
    assert {
        "chat",
        "lyrics",
        "speech",
        "emotion",
        "melody",
        "song",
        "images",
        "training",
    } <= CAPABILITIES


@pytest.mark.parametrize("capability", sorted(CAPABILITIES))
def test_nobody_imports_a_capability_but_itself(capability: str) -> None:
    others = CAPABILITIES - {capability}
    folders = ["gateway", "orfeon", "services/runtime", *(f"services/{name}" for name in others)]
    found = [line for folder in folders for line in offences(folder, f"services.{capability}")]
    assert found == []


def test_the_runtime_knows_neither_the_gateway_nor_the_client() -> None:
    assert offences("services", "gateway") == []
    assert offences("services", "orfeon.cli") == []
    assert offences("services", "orfeon.client") == []


@pytest.mark.parametrize("library", sorted(MODEL_LIBRARIES))
def test_only_engines_and_training_import_model_libraries(library: str) -> None:
    found = [
        line
        for folder in sorted(OWN)
        for line in offences(folder, library)
        if not line.split()[0].endswith("_engine.py")
        and not IS_TRAINING.search(line.split()[0])
        # The engines of language models, and of models of a Triton server, are packages.
        and not (library == "llama_cpp" and line.startswith("services/runtime/llama/"))
        and not (library == "tritonclient" and line.startswith("services/runtime/triton/"))
        # Runs inside Triton, as a backend of it.
        and not line.startswith("orfeon/serve/backends/")
    ]
    assert found == []


def test_nothing_that_serves_imports_training_or_export() -> None:
    found = [
        f"{path.relative_to(ROOT)} imports {name}"
        for folder in sorted(OWN)
        for path in modules(folder)
        for name in sorted(imports(path))
        if (program := re.match(r"services\.\w+\.(training|export)\b", name))
        and program[1] not in path.parts
    ]
    assert found == []


@pytest.mark.parametrize("name", ["scheduler", "residency"])
@pytest.mark.parametrize("library", ["grpc", "fastapi", *sorted(MODEL_LIBRARIES)])
def test_scheduler_and_residency_are_pure_asyncio(name: str, library: str) -> None:
    assert offences(f"services/runtime/{name}", library) == []


def test_the_environment_is_read_in_few_places() -> None:
    # Variables of the libraries, not ours: ONNX Runtime's, OpenMP's, and CUDA's.
    allowed = {
        "services/__init__.py",
        "services/runtime/threads.py",
        "services/runtime/residency/devices.py",
    }
    found = {
        str(path.relative_to(ROOT))
        for folder in ("gateway", "services")
        for path in modules(folder)
        if path.name not in ("__main__.py", "settings.py") and "os.environ" in path.read_text()
    }
    assert found <= allowed


def test_no_module_is_longer_than_500_lines() -> None:
    long = {
        str(path.relative_to(ROOT))
        for folder in sorted(OWN)
        for path in modules(folder)
        if len(path.read_text("utf-8").splitlines()) > 500
    }
    assert long == set()
