"""The network that is fine-tuned: a base with last layers for other labels."""

from typing import Any

import transformers
from safetensors import SafetensorError

from services.emotion.engine import SAMPLE_RATE
from services.emotion.training.base import Base
from services.emotion.training.errors import Misuse


def extractor_of(base: Base) -> Any:
    """The base's feature extractor. Raises `Misuse`."""
    extractor = _loaded(transformers.AutoFeatureExtractor, base)
    if extractor.sampling_rate != SAMPLE_RATE:
        raise Misuse(
            f"The base {base.name} hears {extractor.sampling_rate} Hz; choose one for "
            f"{SAMPLE_RATE} Hz."
        )
    return extractor


def network_of(base: Base, labels: list[str], freeze: str) -> Any:
    """The base as a classifier of these labels, whose last layers are new unless they fit.

    What `freeze` names takes no part in training. Raises `Misuse`.
    """
    network = _loaded(
        transformers.AutoModelForAudioClassification,
        base,
        id2label=dict(enumerate(labels)),
        label2id={label: at for at, label in enumerate(labels)},
        num_labels=len(labels),
        ignore_mismatched_sizes=True,
    )
    _freeze(network, freeze)
    return network


def _freeze(network: Any, what: str) -> None:
    whisper = hasattr(network, "encoder")
    if what == "encoder":
        (network.encoder if whisper else network.base_model).requires_grad_(False)
    if what == "features" and whisper:
        network.encoder.conv1.requires_grad_(False)
        network.encoder.conv2.requires_grad_(False)
    elif what != "none" and hasattr(network, "freeze_feature_encoder"):
        # More than that its weights need no gradients: what it reads needs none either.
        network.freeze_feature_encoder()


def _loaded(factory: Any, base: Base, **options: Any) -> Any:
    try:
        return factory.from_pretrained(base.source, **options)
    except (OSError, ValueError, KeyError, ImportError, RuntimeError, SafetensorError) as error:
        reason = next(iter(str(error).strip().splitlines()), type(error).__name__)
        raise Misuse(f"The base {base.name} cannot be loaded: {reason}") from error
