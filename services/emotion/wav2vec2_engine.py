"""Classifiers of transformers: wav2vec2, HuBERT, WavLM, Whisper's encoder, whatever
`AutoModelForAudioClassification` reads.
"""

import logging
import math
import warnings
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
import transformers
from numpy.typing import NDArray
from safetensors import SafetensorError

from services.emotion.engine import SAMPLE_RATE, Clip, LabelScore, Samples, ranked
from services.emotion.features import SHORTEST_SECONDS, SILENCE
from services.runtime.errors import Cancelled, ModelLoadFailed
from services.runtime.footprint import allowed
from services.runtime.manifest import Manifest
from services.runtime.residency.placement import CUDA, Placement
from services.runtime.worker import Cancellation

_log = logging.getLogger(__name__)

#: A longer clip is classified in windows, and so many of them are computed together.
WINDOW_SECONDS, BATCH = 8.0, 8

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
        network, extractor = _read(manifest.name, folder)
        labels = _labels(manifest, network.config.id2label)
        listener = Listener(extractor)
        window = _option(manifest, "window_seconds", WINDOW_SECONDS, least=SHORTEST_SECONDS)
        network.to(
            device=torch.device(placement.kind, placement.index),
            dtype=torch.float16 if placement.kind == CUDA else torch.float32,
        ).eval()
        model = Wav2Vec2Model(
            network,
            listener,
            labels,
            window_seconds=min(window, listener.longest),
            temperature=_option(manifest, "temperature", 1.0, least=0.01),
        )
        model.try_out(manifest.name)
        return model


class Listener:
    """Turns windows of samples into what a network reads, as its feature extractor says."""

    def __init__(self, extractor: Any) -> None:
        self._extractor = extractor
        # Whisper's encoder reads spectrograms of one length alone.
        fixed = isinstance(extractor, transformers.WhisperFeatureExtractor)
        self._padding = "max_length" if fixed else "longest"
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


class Wav2Vec2Model:
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
        self._network = network
        self._listener = listener
        self._labels = labels
        self._window = round(window_seconds * SAMPLE_RATE)
        self._temperature = temperature

    def try_out(self, name: str) -> None:
        """Raises `ModelLoadFailed` where the network cannot compute, or gives what is no number."""
        hiss = np.random.default_rng(0).normal(0, 0.1, min(self._window, SAMPLE_RATE))
        try:
            usable = bool(np.isfinite(self._network_logits([hiss.astype(np.float32)])).all())
        except (RuntimeError, ValueError, TypeError) as error:
            _log.error("checkpoint does not compute", extra={"model": name}, exc_info=error)
            usable = False
        if not usable:
            raise ModelLoadFailed(
                f"The checkpoint of '{name}' does not compute: its weights, or what its "
                "config.json and preprocessor_config.json say of them, are broken.",
                param="model",
            )

    def classify(self, clip: Clip, cancelled: Cancellation) -> list[LabelScore]:
        """See `EmotionModel`. Cancelling takes effect between two batches of windows."""
        logits = self.logits(clip.samples, cancelled)
        if logits is None:
            return ranked(self._labels, np.full(len(self._labels), 1 / len(self._labels), "f4"))
        raised = np.exp((logits - logits.max()) / self._temperature)
        return ranked(self._labels, (raised / raised.sum()).astype(np.float32))

    def logits(self, samples: Samples, cancelled: Cancellation) -> NDArray[np.float32] | None:
        """The mean over the windows that sound, shape `(labels,)`; None where nothing sounds.

        Raises `Cancelled`.
        """
        windows = [each for each in cut(samples, self._window) if _level(each) >= SILENCE]
        if not windows:
            return None
        answers = []
        for batch in _batches(windows):
            if cancelled.is_set:
                raise Cancelled("The request was cancelled.")
            answers.append(self._network_logits(batch))
        mean: NDArray[np.float32] = np.concatenate(answers).mean(axis=0)
        return mean

    def close(self) -> None:
        """Gives the memory back."""
        self._network = None
        torch.cuda.empty_cache()

    def _network_logits(self, windows: Sequence[Samples]) -> NDArray[np.float32]:
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


def cut(samples: Samples, window: int) -> list[Samples]:
    """A clip as windows of that many samples, spread evenly, overlapping as much as they must.

    One that is not longer is one window; silence follows where the network would hear too little.
    """
    if samples.size <= window:
        short = round(SHORTEST_SECONDS * SAMPLE_RATE) - samples.size
        return [np.pad(samples, (0, max(0, short)))]
    begins = np.linspace(0, samples.size - window, -(-samples.size // window)).round().astype(int)
    return [samples[begin : begin + window] for begin in begins]


def quiet() -> None:
    """Keeps transformers' own bars and notices away."""
    transformers.utils.logging.set_verbosity_error()
    transformers.utils.logging.disable_progress_bar()
    # What WavLM in transformers hands to torch where there is a mask.
    warnings.filterwarnings("ignore", "Support for mismatched key_padding_mask", UserWarning)


def _batches(windows: Sequence[Samples]) -> Iterator[Sequence[Samples]]:
    for begin in range(0, len(windows), BATCH):
        yield windows[begin : begin + BATCH]


def _level(samples: Samples) -> float:
    return float(np.sqrt(np.mean(np.square(samples, dtype=np.float64))))


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


def _option(manifest: Manifest, name: str, default: float, *, least: float) -> float:
    value = manifest.options.get(name, default)
    if isinstance(value, bool) or not isinstance(value, int | float) or not value >= least:
        raise ValueError(f"{manifest.name}: options.{name} must be a number from {least:g} on")
    return float(value)


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
