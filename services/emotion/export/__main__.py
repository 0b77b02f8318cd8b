"""Writes the network of a classifier of transformers as ONNX: `orfeon models export` starts it.

    python -m services.emotion.export MODEL FOLDER

FOLDER gets `model.onnx`. What a configuration has to say of it comes on stdout, as JSON; how far it
is, on stderr. Needs the packages of the extra `train`.
"""

import argparse
import json
import sys
from pathlib import Path
from typing import Any

from services.emotion.__main__ import EMOTION
from services.emotion.settings import EmotionSettings
from services.runtime.environment import settings_of
from services.runtime.errors import InvalidRequest, ModelLoadFailed, OrfeonError
from services.runtime.registry import Registry


def export(name: str, folder: Path, settings: EmotionSettings) -> dict[str, dict[str, Any]]:
    """Writes `model.onnx` into a folder; gives parameters and shapes for its configuration.

    Raises `OrfeonError`, and `ValueError` for a model whose files do not fit its `model.yaml`.
    """
    # Which take seconds, so that a name that is wrong is refused before them.
    registry = Registry(settings.home, [EMOTION.models], EMOTION.name)
    manifest = registry.get(name)
    if manifest.engine != "wav2vec2":
        raise InvalidRequest(
            f"The model {name!r} is of the engine {manifest.engine}, which needs no ONNX file."
        )
    from services.emotion.export.comparison import TOLERANCE, largest_difference
    from services.emotion.export.network import Network, write
    from services.emotion.wav2vec2_engine import Wav2Vec2Model, checkpoint, quiet

    quiet()
    _tell(f"reading {name}")
    network, listener, labels = checkpoint(manifest, registry.folder(manifest))
    if not listener.hears_samples:
        raise InvalidRequest(
            f"The model {name!r} reads spectrograms, which its ONNX file could not make; "
            "the emotion service computes it itself."
        )
    path = folder / "model.onnx"
    _tell("writing model.onnx")
    write(Network(network, levels=listener.levels, masks=listener.masks), path)
    _tell("comparing it with torch")
    model = Wav2Vec2Model(network, listener, labels, window_seconds=8.0, temperature=1.0)
    difference = largest_difference(path, model, masks=listener.masks)
    _tell(f"the largest difference of a logit is {difference:.1e}")
    if not difference <= TOLERANCE:
        raise ModelLoadFailed(
            f"The ONNX file of {name!r} differs from torch by {difference:.1e}, more than "
            f"{TOLERANCE:g}; it is not used. Serve this model in the service's own process."
        )
    parameters = {"labels": json.dumps(labels), "masks": json.dumps(listener.masks)}
    return {"parameters": parameters, "dims": {"LOGITS": [len(labels)]}}


def _tell(said: str) -> None:
    sys.stderr.write(f"orfeon: {said}\n")


def main() -> None:
    """See the module."""
    parser = argparse.ArgumentParser(description=str(__doc__).partition("\n")[0])
    parser.add_argument("model")
    parser.add_argument("folder", type=Path)
    arguments = parser.parse_args()
    try:
        told = export(arguments.model, arguments.folder, settings_of(EmotionSettings))
    except OrfeonError as error:
        sys.exit(f"orfeon: {error.message}")
    except ValueError as error:
        sys.exit(f"orfeon: {error}")
    except ModuleNotFoundError as error:
        sys.exit(f"orfeon: there is no {error.name} here; pip install 'orfeon[train]'")
    sys.stdout.write(json.dumps(told))


if __name__ == "__main__":
    main()
