"""Inner layers of a Whisper encoder through ONNX Runtime, and a head of our own on what they hear.

The last layers know what is said; how it is said is plainer in the ones before. `encoder.onnx`
holds the graph alone, as `services.emotion.encoder_graph` writes it: the weights stay in the file
that CTranslate2 reads, `model.bin`, and are found there by their place.
"""

import mmap
from pathlib import Path

import numpy as np
import onnxruntime
from faster_whisper.feature_extractor import FeatureExtractor
from numpy.typing import NDArray

from services.emotion.engine import SAMPLE_RATE, EmotionModel, Samples
from services.emotion.features import pooled
from services.emotion.head import Head
from services.emotion.head_model import HEAD, HeadModel
from services.runtime.footprint import allowed
from services.runtime.manifest import Manifest
from services.runtime.residency.placement import CPU, CUDA, Placement

GRAPH, WEIGHTS = "encoder.onnx", "model.bin"

_PROVIDERS = {CPU: "CPUExecutionProvider", CUDA: "CUDAExecutionProvider"}


class WhisperEncoder:
    """Turns a window of speech into the vector that a head reads.

    Raises `ValueError` for a graph that is none, or that does not fit the weights.
    """

    def __init__(self, folder: Path, *, placement: Placement, threads: int) -> None:
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = threads
        options.inter_op_num_threads = 1
        # Spinning threads would take the cores from the other services of this machine.
        options.add_session_config_entry("session.intra_op.allow_spinning", "0")
        # No two windows are as long, so that memory kept for the next one would only grow.
        options.enable_cpu_mem_arena = options.enable_mem_pattern = False
        where = {"device_id": str(placement.index)} if placement.kind == CUDA else {}
        provider = (_PROVIDERS[placement.kind], where)
        self._session = _session(folder, options, provider)
        [mel] = self._session.get_inputs()
        self._log_mel = FeatureExtractor(feature_size=mel.shape[1], sampling_rate=SAMPLE_RATE)
        layers = self._session.get_outputs()
        self.reads = " ".join(
            [*(f"{each.name}:{each.shape[1]}" for each in layers), f"mel:{mel.shape[1]}"]
        )

    def features(self, window: Samples) -> NDArray[np.float32]:
        """The vector of one window, shape `(features,)`.

        The window is not padded to the 30 s that Whisper was trained on: that would cost twenty
        times the work, and the features of the silence would drown those of the voice.
        """
        spectrum = np.ascontiguousarray(self._log_mel(window, padding=0), dtype=np.float32)
        layers = self._session.run(None, {"mel": spectrum[np.newaxis]})
        return pooled(layers, spectrum.T)


def _session(
    folder: Path, options: onnxruntime.SessionOptions, provider: tuple[str, dict[str, str]]
) -> onnxruntime.InferenceSession:
    # The weights are handed over, because the runtime follows no links out of the graph's folder.
    try:
        with (
            (folder / WEIGHTS).open("rb") as file,
            mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as weights,
        ):
            options.add_external_initializers_from_files_in_memory(
                [WEIGHTS], [weights], [weights.size()]
            )
            return onnxruntime.InferenceSession(
                (folder / GRAPH).read_bytes(), options, providers=[provider]
            )
    except OSError:
        raise
    except Exception as error:
        # The runtime's own errors share no class but this one.
        raise ValueError(
            f"{GRAPH} is no encoder that can be used with {WEIGHTS}: fetch both anew"
        ) from error


class WhisperHeadEngine:
    """Loads an encoder and its head. `device` is a setting; `threads` are for one clip."""

    def __init__(self, *, device: str, threads: int) -> None:
        cuda = _PROVIDERS[CUDA] in onnxruntime.get_available_providers()
        self.kinds = allowed(device, cuda=cuda)
        self._threads = threads

    def encoder(self, folder: Path, placement: Placement) -> WhisperEncoder:
        """The encoder alone: what training needs, before there is a head."""
        return WhisperEncoder(folder, placement=placement, threads=self._threads)

    def load(self, manifest: Manifest, folder: Path, placement: Placement) -> EmotionModel:
        """Reads both.

        Raises `ValueError` for files that are broken, and for a head that has other labels than
        `model.yaml`, or was trained on another encoder.
        """
        head = Head.load(folder / HEAD)
        encoder = self.encoder(folder, placement)
        return HeadModel(encoder, head.fit_for(manifest.name, manifest.labels, encoder.reads))
