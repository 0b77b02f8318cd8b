"""Makes a model folder for the engine `bark` of what a hub has of Bark.

    hf download suno/bark-small --local-dir bark-small
    python scripts/bark_model.py bark-small ~/.orfeon/models/bark-small

The hub has the weights as a pickle, which containers do not read. Here it is read as weights alone,
and saved as safetensors, with the voices called `v2/...` and a `model.yaml` that names each file.
"""

import argparse
import hashlib
import shutil
from pathlib import Path
from typing import Any

import transformers
import yaml

GENERATION = "generation_config.json"
#: OpenAI's clients always name a voice. Each of OpenAI's own is answered with an English one.
OPENAI_VOICES = (
    "alloy", "ash", "ballad", "cedar", "coral", "echo", "fable", "marin", "nova", "onyx", "sage",
    "shimmer", "verse",
)  # fmt: skip
#: The model that `triton-repo/speech_bark` names.
ON_TRITON = "bark-small"
#: What it takes beyond its weights.
BESIDE_BYTES = 500_000_000


def convert(source: Path, target: Path) -> None:
    """Fills `target`, which names the model. Raises `OSError` where `source` lacks a file."""
    model = transformers.BarkModel.from_pretrained(str(source), local_files_only=True)
    processor = transformers.BarkProcessor.from_pretrained(str(source), local_files_only=True)
    voices = sorted(name for name in processor.available_voice_presets if name.startswith("v2/"))
    kept = ["repo_or_path", *voices]
    processor.speaker_embeddings = {name: processor.speaker_embeddings[name] for name in kept}
    model.save_pretrained(target)
    processor.save_pretrained(str(target))
    # What transformers would write of it lacks the parts of each network.
    shutil.copyfile(source / GENERATION, target / GENERATION)
    text = yaml.safe_dump(described(target, voices), sort_keys=False, allow_unicode=True)
    (target / "model.yaml").write_text(text)


def described(folder: Path, voices: list[str]) -> dict[str, Any]:
    """What its `model.yaml` says."""
    paths = [path for path in sorted(folder.rglob("*")) if path.is_file()]
    names = [str(path.relative_to(folder)) for path in paths if path.name != "model.yaml"]
    english = [voice for voice in voices if voice.startswith("v2/en_")]
    weights = sum((folder / name).stat().st_size for name in names if name.endswith("safetensors"))
    return {
        "name": folder.name,
        "capability": "speech",
        "engine": "bark",
        "tasks": ["speech"],
        "description": "Bark: speaks, laughs and hums in thirteen languages.",
        "owned_by": "suno",
        "licence": "MIT",
        "languages": sorted({voice[3:5] for voice in voices}),
        "voices": voices,
        "memory_bytes": weights + BESIDE_BYTES,
        "files": {
            name: {
                "sha256": hashlib.sha256((folder / name).read_bytes()).hexdigest(),
                "size": (folder / name).stat().st_size,
                "sources": [{"local": name}],
            }
            for name in names
        },
        "options": ({"triton_model": "speech_bark"} if folder.name == ON_TRITON else {})
        | {
            "voice_aliases": {
                name: english[at % len(english)]
                for at, name in enumerate(OPENAI_VOICES)
                if english
            }
        },
    }  # fmt: skip


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("source", type=Path, help="what the hub has, downloaded")
    parser.add_argument("target", type=Path, help="the model's folder; its name is the model's")
    arguments = parser.parse_args()
    convert(arguments.source, arguments.target)
    print(arguments.target)


if __name__ == "__main__":
    main()
