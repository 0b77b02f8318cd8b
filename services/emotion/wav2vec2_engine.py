"""Classifiers of transformers: wav2vec2, HuBERT, WavLM, Whisper's encoder, whatever
`AutoModelForAudioClassification` reads.
"""

import logging
import math
import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
import transformers
from numpy.typing import NDArray
from safetensors import SafetensorError

from services.emotion.engine import SAMPLE_RATE, Clip, Samples
from services.emotion.windowed import WindowedModel, temperature, window_seconds
from services.runtime.errors import ModelLoadFailed
from services.runtime.footprint import allowed
from services.runtime.manifest import Manifest
from services.runtime.residency.placement import CUDA, Placement
from services.runtime.worker import Cancellation

_log = logging.getLogger(__name__)

#: Weights that training alone needs, which some checkpoints therefore leave out.
_FOR_TRAINING = frozenset({"masked_spec_embed"})


class Wav2Vec2Engine:
    """Loads folders as `save_pretrained` of transformers writes them, with the feature extractor's
    `preprocessor_config.json`. `device` is a setting; `threads` are torch's, for one clip.
    """

    def __init__(self, *, device: str, threads: int) -> None:
        self.kinds = allowed(device, cuda=torch.cuda.is_available())
        torch.set_num_threads(threads)
        quiet()

    def load(self, manifest: Manifest, folder: Path, placement: Placement) -> "Wav2Vec2Model":
        """See `Engine`. On a GPU it computes in 16 bits.

        Of `options`, `window_seconds` is what the model hears at once, `temperature` what its
        logits are divided by, and `labels` renames the checkpoint's. Raises `ValueError` for labels
        that are not those of `model.yaml` and for options out of range, `ModelLoadFailed` for a
        checkpoint that cannot be read.
        """
        network, listener, labels = checkpoint(manifest, folder)
        network.to(
            device=torch.device(placement.kind, placement.index),
            dtype=torch.float16 if placement.kind == CUDA else torch.float32,
        )
        model = Wav2Vec2Model(
            network,
            listener,
            labels,
            window_seconds=min(window_seconds(manifest), listener.longest),
            temperature=temperature(manifest),
        )
        model.try_out(manifest.name)
        return model


def checkpoint(manifest: Manifest, folder: Path) -> tuple[Any, "Listener", list[str]]:
    """A network on the CPU, what it is fed by, and its labels in the order of its logits.

    Raises `ValueError` for labels that are not those of `model.yaml`, and `ModelLoadFailed`.
    """
    network, extractor = _read(manifest.name, folder)
    return network.eval(), Listener(extractor), _labels(manifest, network.config.id2label)


class Listener:
    """Turns windows of samples into what a network reads, as its feature extractor says."""

    def __init__(self, extractor: Any) -> None:
        self._extractor = extractor
        # Whisper's encoder reads spectrograms of one length alone.
        fixed = isinstance(extractor, transformers.WhisperFeatureExtractor)
        self._padding = "max_length" if fixed else "longest"
        self.hears_samples = not fixed and getattr(extractor, "feature_size", 0) == 1
        """Whether the network reads samples as they are, or brought to the same level."""
        self.levels = bool(getattr(extractor, "do_normalize", False))
        """Whether the extractor brings them to the same level."""
        self.masks = bool(getattr(extractor, "return_attention_mask", False)) and not fixed
        """Whether the network tells padding from sound. One that does not, such as wav2vec2-base,
        hears zeros where another has nothing, so what it reads together is best equally long."""
        self.longest = float(extractor.chunk_length) if fixed else math.inf
        """Seconds that it can read; of more it would hear the beginning alone."""

    def __call__(self, windows: Sequence[Samples]) -> dict[str, torch.Tensor]:
        """Windows side by side, filled up to the longest, with a mask where the network has one."""
        read = self._extractor(
            list(windows),
            sampling_rate=SAMPLE_RATE,
            padding=self._padding,
            return_attention_mask=self.masks,
            return_tensors="pt",
        )
        return dict(read)


class Wav2Vec2Model(WindowedModel):
    """A classifier in memory."""

    def __init__(
        self,
        network: Any,
        listener: Listener,
        labels: list[str],
        *,
        window_seconds: float,
        temperature: float,
    ) -> None:
        super().__init__(labels, window_seconds=window_seconds, temperature=temperature)
        self._network = network
        self._listener = listener

    def try_out(self, name: str) -> None:
        """Raises `ModelLoadFailed` where the network cannot compute, or gives what is no number."""
        hiss = np.random.default_rng(0).normal(0, 0.1, min(self._window, SAMPLE_RATE))
        try:
            clip = Clip(hiss.astype(np.float32))
            logits = self.network_logits([clip.samples], clip, Cancellation())
            usable = bool(np.isfinite(logits).all())
        except (RuntimeError, ValueError, TypeError) as error:
            _log.error("checkpoint does not compute", extra={"model": name}, exc_info=error)
            usable = False
        if not usable:
            raise ModelLoadFailed(
                f"The checkpoint of '{name}' does not compute: its weights, or what its "
                "config.json and preprocessor_config.json say of them, are broken.",
                param="model",
            )

    def close(self) -> None:
        """Gives the memory back."""
        self._network = None
        torch.cuda.empty_cache()

    def network_logits(
        self, windows: Sequence[Samples], clip: Clip, cancelled: Cancellation
    ) -> NDArray[np.float32]:
        """See `WindowedModel`."""
        network = self._network
        inputs = {
            name: values.to(
                device=network.device, dtype=network.dtype if values.is_floating_point() else None
            )
            for name, values in self._listener(windows).items()
        }
        with torch.inference_mode():
            logits: NDArray[np.float32] = network(**inputs).logits.float().cpu().numpy()
        return logits


def quiet() -> None:
    """Keeps transformers' own bars and notices away."""
    transformers.utils.logging.set_verbosity_error()
    transformers.utils.logging.disable_progress_bar()
    # What WavLM in transformers hands to torch where there is a mask.
    warnings.filterwarnings("ignore", "Support for mismatched key_padding_mask", UserWarning)


def _read(name: str, folder: Path) -> tuple[Any, Any]:
    """Network and feature extractor. Pickles are not read: they may hold any code."""
    if not any(folder.glob("*.safetensors")):
        raise ModelLoadFailed(
            f"The model '{name}' has no weights as safetensors; convert what it has with "
            "save_pretrained of transformers.",
            param="model",
        )
    try:
        extractor = transformers.AutoFeatureExtractor.from_pretrained(folder, local_files_only=True)
        network, info = transformers.AutoModelForAudioClassification.from_pretrained(
            folder,
            local_files_only=True,
            use_safetensors=True,
            dtype=torch.float32,
            output_loading_info=True,
        )
    except (OSError, ValueError, KeyError, TypeError, RuntimeError, SafetensorError) as error:
        _log.error("checkpoint not read", extra={"model": name}, exc_info=error)
        raise ModelLoadFailed(
            f"The checkpoint of '{name}' cannot be read: a file is broken or missing. Pull it or "
            "export it again.",
            param="model",
        ) from error
    missing = {key for key in info["missing_keys"] if key.split(".")[-1] not in _FOR_TRAINING}
    if missing:
        raise ModelLoadFailed(
            f"The checkpoint of '{name}' lacks {len(missing)} of its weights, such as "
            f"{min(missing)}; train it as a classifier first.",
            param="model",
        )
    if extractor.sampling_rate != SAMPLE_RATE:
        raise ValueError(f"{name}: hears {extractor.sampling_rate} Hz, not {SAMPLE_RATE}")
    return network, extractor


def _labels(manifest: Manifest, of_checkpoint: dict[int, str]) -> list[str]:
    """The labels in the network's order, by the names of `model.yaml`."""
    renamed = manifest.options.get("labels", {})
    found = [of_checkpoint[at] for at in sorted(of_checkpoint)]
    labels = [str(renamed.get(label, label)) for label in found]
    if set(labels) != set(manifest.labels) or len(set(labels)) != len(labels):
        raise ValueError(
            f"{manifest.name}: model.yaml names the labels {', '.join(manifest.labels)}, "
            f"config.json {', '.join(labels)}"
        )
    return labels
