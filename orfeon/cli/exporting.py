"""`orfeon models export`: a model's folder in the repository of a Triton server."""

import json
import os
import re
import subprocess
import sys
import tempfile
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from orfeon.fault import Fault
from services.runtime.manifest import TRITON_MODEL, Manifest
from services.runtime.registry import Registry

#: The folder of triton-repo/ that serves the models of a capability's engine.
_TEMPLATES = {
    ("emotion", "mel-head"): "emotion_whisper",
    ("emotion", "whisper-head"): "emotion_whisper",
    ("emotion", "wav2vec2"): "emotion_wav2vec2",
    ("images", "diffusers"): "images_sdxl_turbo",
    ("melody", "audiocraft"): "melody_musicgen",
    ("melody", "musicgen"): "melody_musicgen",
    ("speech", "bark"): "speech_bark",
    ("speech", "faster-whisper"): "speech_whisper",
}
#: Of these the server gets a file that a program of the capability makes.
_PROGRAMS = {"emotion_wav2vec2": "services.emotion.export"}

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]*")


@dataclass(frozen=True, slots=True)
class _Made:
    """What a configuration has to say of a file."""

    parameters: dict[str, str] = field(default_factory=dict)
    dims: dict[str, list[int]] = field(default_factory=dict)


def name_of(manifest: Manifest) -> str:
    """What the model is called on the server, unless somebody says otherwise."""
    given = manifest.options.get(TRITON_MODEL)
    return str(
        given or re.sub(r"[^a-z0-9]+", "_", f"{manifest.capability}_{manifest.name}".lower())
    )


def export(
    registry: Registry,
    home: Path,
    manifest: Manifest,
    name: str,
    *,
    repository: Path,
    to: Path,
    replace: bool,
) -> Path:
    """Makes the folder `name` in the folder `to`, of its like in `repository`; returns it.

    It is there as a whole or not at all. Raises `Fault`, `OrfeonError`, `OSError`.
    """
    target = to / name
    template = repository / _template(manifest)
    if not (template / "config.pbtxt").is_file():
        raise Fault(
            f"There is no {template.name} in {repository}; name a --repository that has it."
        )
    if not _NAME.fullmatch(name):
        raise Fault(f"{name!r} is no name for a model; use letters, digits, '_' and '-'.")
    if target.exists() and not (replace or _is_bare(target)):
        raise Fault(f"There is a {target} already; choose another --name, or --replace it.")
    # Which needs tritonclient, as the client's own installation does not.
    try:
        from services.runtime.triton.repository import VERSION, copy_template
    except ModuleNotFoundError as error:
        raise Fault(f"There is no {error.name} here; pip install 'orfeon[emotion]'.") from error
    registry.folder(manifest)
    to.mkdir(parents=True, exist_ok=True)
    # Beside it, since what is renamed stays on one disk.
    with tempfile.TemporaryDirectory(dir=to, prefix=".export-") as scratch:
        folder = Path(scratch) / name
        version = folder / VERSION
        version.mkdir(parents=True)
        program = _PROGRAMS.get(template.name)
        made = _run(program, manifest, version, home) if program else _Made()
        parameters = {**made.parameters, "model": manifest.name}
        copy_template(template, folder, name, parameters, made.dims)
        if target.exists():
            target.rename(Path(scratch) / "old")
        folder.rename(target)
    return target


def _template(manifest: Manifest) -> str:
    try:
        return _TEMPLATES[manifest.capability, manifest.engine]
    except KeyError:
        raise Fault(
            f"The model {manifest.name!r} is of {manifest.capability}'s engine {manifest.engine}, "
            "which no Triton server serves; its service computes it itself."
        ) from None


def _is_bare(folder: Path) -> bool:
    """Whether it is one of triton-repo/ itself that waits for its file."""
    return folder.name in _PROGRAMS and not any(folder.glob("*/model.onnx"))


def _run(program: str, manifest: Manifest, folder: Path, home: Path) -> _Made:
    """Has a program make the file, in a process of its own: it needs libraries that we do not."""
    ended = subprocess.run(
        [sys.executable, "-m", program, manifest.name, str(folder)],
        env={**os.environ, "ORFEON_HOME": str(home)},
        stdout=subprocess.PIPE,
        check=False,
    )
    if ended.returncode:
        raise Fault(f"The model {manifest.name!r} was not exported, for the reason above.")
    told: dict[str, Any] = json.loads(ended.stdout)
    return _Made(**told)
