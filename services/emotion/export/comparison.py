"""Whether a file computes what the network that it was made of computes."""

from pathlib import Path

import numpy as np
import onnxruntime
from numpy.typing import NDArray

from services.emotion.engine import SAMPLE_RATE, Clip, Samples
from services.emotion.export.network import INPUTS
from services.emotion.wav2vec2_engine import Wav2Vec2Model
from services.runtime.worker import Cancellation

#: How far a logit may be from what torch computes.
TOLERANCE = 1e-3

#: Lengths of the windows that are compared, seconds: the shortest there are, odd ones, usual ones.
_SECONDS = (0.5, 0.9137, 2.0, 3.0)


def largest_difference(path: Path, model: Wav2Vec2Model, *, masks: bool) -> float:
    """Between a logit of the file and the same of the model, of windows alone and in batches.

    What shares a batch is filled up to the longest, where the network has a mask, and louder and
    quieter than what is beside it. NaN where one of them gives no number.
    """
    session = onnxruntime.InferenceSession(str(path), providers=["CPUExecutionProvider"])
    rng = np.random.default_rng(0)
    windows = [
        rng.normal(0.01, 0.02 * (at + 1), round(seconds * SAMPLE_RATE)).astype(np.float32)
        for at, seconds in enumerate(_SECONDS)
    ]
    batches = [[window] for window in windows]
    batches += [windows] if masks else [[window, window[::-1] * 2] for window in windows]
    return float(np.max([_difference(session, model, batch) for batch in batches]))


def _difference(
    session: onnxruntime.InferenceSession, model: Wav2Vec2Model, batch: list[Samples]
) -> float:
    longest = max(window.size for window in batch)
    audio = np.array([np.pad(window, (0, longest - window.size)) for window in batch])
    length = np.array([[window.size] for window in batch], np.int64)
    [found] = session.run(None, dict(zip(INPUTS, (audio, length), strict=True)))
    expected = np.concatenate([_alone(model, window) for window in batch])
    return float(np.abs(found - expected).max())


def _alone(model: Wav2Vec2Model, window: Samples) -> NDArray[np.float32]:
    return model.network_logits([window], Clip(window), Cancellation())
