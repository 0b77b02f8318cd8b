"""Writes down speech with Whisper models on CTranslate2."""

import logging
import threading
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import ctranslate2
import numpy as np
from faster_whisper import WhisperModel
from faster_whisper.feature_extractor import FeatureExtractor
from faster_whisper.vad import get_vad_model
from numpy.typing import NDArray

from services.runtime.footprint import allowed, finds_library
from services.runtime.manifest import Manifest
from services.runtime.residency.placement import CUDA, Placement
from services.runtime.worker import Cancellation
from services.speech.engine import (
    TRANSCRIBER_RATE,
    Samples,
    Segment,
    Started,
    Task,
    TranscriptionRequest,
    Word,
)

#: What CTranslate2 computes with on a GPU.
CUBLAS = "libcublas.so.12"

_TASKS: dict[Task, str] = {"transcription": "transcribe", "translation": "translate"}

#: Tried in turn until the text is neither repetitive nor improbable: Whisper's own fallbacks.
_TEMPERATURES = (0.0, 0.2, 0.4, 0.6, 0.8, 1.0)

#: Probability that a window of 512 samples holds a voice, by Silero VAD: speech comes to 0.97 and
#: more, rain and white noise to at most 0.2. Low, so that singing over music counts as a voice.
_VOICE = 0.35
_VAD_WINDOW = 512
#: Samples looked at at once: ten seconds.
_GLIMPSE = 10 * TRANSCRIBER_RATE

#: Frames of 10 ms whose spectrum is computed at once.
_PIECE = 3000


class FasterWhisperEngine:
    """Loads a CTranslate2 conversion of Whisper.

    `threads` is for one request; `workers` requests are computed side by side on one copy of the
    weights. `device` and `compute_type` are the container's settings.
    """

    def __init__(self, *, threads: int, workers: int, device: str, compute_type: str) -> None:
        cuda = ctranslate2.get_cuda_device_count() > 0 and finds_library(CUBLAS)
        self.kinds = allowed(device, cuda=cuda)
        self._threads = threads
        self._workers = workers
        self._compute_type = compute_type
        # At INFO the library logs what it heard about each recording.
        logging.getLogger("faster_whisper").setLevel(logging.ERROR)

    def load(self, manifest: Manifest, folder: Path, placement: Placement) -> "WhisperTranscriber":
        """See `Engine`."""
        usual = "default" if placement.kind == CUDA else "int8"
        model = WhisperModel(
            str(folder),
            device=placement.kind,
            device_index=placement.index,
            compute_type=self._compute_type or usual,
            cpu_threads=self._threads,
            num_workers=self._workers,
            local_files_only=True,
        )
        model.feature_extractor = _PiecewiseFeatures(**model.feat_kwargs)
        return WhisperTranscriber(model, manifest.options.get("beam_size", 5), manifest.languages)


class WhisperTranscriber:
    """A Whisper model in memory. CTranslate2 shares its workers among the calling threads."""

    def __init__(self, model: Any, beam_size: int, languages: Sequence[str]) -> None:
        self._model: Any = model
        self._beam_size = beam_size
        self._languages = languages
        self._last = _LastEncoding(model.encode)
        model.encode = self._last
        detect = model.detect_language
        # transcribe() leaves out the last frame; without it both see the very same first window.
        model.detect_language = lambda features, **options: detect(
            features=features[..., : max(1, features.shape[-1] - 1)], **options
        )

    def transcribe(
        self, request: TranscriptionRequest, cancelled: Cancellation
    ) -> Iterator[Started | Segment]:
        """See `Transcriber`. Whisper works in windows of 30 s; cancelling waits for one to end.

        Where nobody speaks there is no segment, and the language is the model's first.
        """
        # 0 is where the fallbacks begin, so asking for 0 asks for them, as with OpenAI.
        temperature = request.temperature or _TEMPERATURES
        if not _someone_speaks(request.samples):
            # Whisper would make up a text, and take ten times as long over it.
            duration = len(request.samples) / TRANSCRIBER_RATE
            yield Started(request.language or self._languages[0], 0.0, duration)
            return
        try:
            segments, info = self._model.transcribe(
                request.samples,
                task=_TASKS[request.task],
                language=request.language,
                initial_prompt=request.prompt or None,
                temperature=temperature,
                word_timestamps=request.word_timestamps,
                beam_size=self._beam_size,
            )
            yield Started(info.language, float(info.language_probability), info.duration)
            for at, segment in enumerate(segments):
                if cancelled.is_set:
                    return
                yield _segment(at, segment, info.duration)
        finally:
            self._last.forget()

    def close(self) -> None:
        """Frees the model."""
        # Dropping it would not do: `encode` and `detect_language` hold it in circles.
        self._model.model.unload_model()
        self._model = None
        self._last = _LastEncoding(_closed)


def _closed(_features: NDArray[np.float32]) -> Any:
    raise RuntimeError("used after close")


def _someone_speaks(samples: Samples) -> bool:
    """Whether a voice is heard anywhere. Stops at the first: a few milliseconds, as a rule."""
    listen = get_vad_model()
    for start in range(0, len(samples), _GLIMPSE):
        glimpse = samples[start : start + _GLIMPSE]
        glimpse = np.pad(glimpse, (0, -len(glimpse) % _VAD_WINDOW))
        if listen(glimpse).max() > _VOICE:
            return True
    return False


def _segment(at: int, segment: Any, duration: float) -> Segment:
    # Whisper's clock ticks on to the end of its window, past the end of the recording.
    return Segment(
        id=at,
        start=min(segment.start, duration),
        end=min(segment.end, duration),
        text=segment.text,
        seek=segment.seek,
        tokens=tuple(segment.tokens),
        temperature=segment.temperature,
        avg_logprob=segment.avg_logprob,
        compression_ratio=segment.compression_ratio,
        no_speech_prob=segment.no_speech_prob,
        words=tuple(
            Word(
                word.word,
                float(min(word.start, duration)),
                float(min(word.end, duration)),
                float(word.probability),
            )
            for word in segment.words or ()
        ),
    )


class _LastEncoding:
    """Remembers the last window each thread encoded.

    faster-whisper encodes the first window twice: once to find the language, once to write down
    the words. Encoding is half of the work on a short recording.
    """

    def __init__(self, encode: Callable[[NDArray[np.float32]], Any]) -> None:
        self._encode = encode
        self._last = threading.local()

    def __call__(self, features: NDArray[np.float32]) -> Any:
        window: tuple[NDArray[np.float32], Any] | None = getattr(self._last, "window", None)
        if window is not None and np.array_equal(window[0], features):
            return window[1]
        encoded = self._encode(features)
        self._last.window = (features, encoded)
        return encoded

    def forget(self) -> None:
        """Lets go of this thread's window."""
        self._last.window = None


class _PiecewiseFeatures(FeatureExtractor):  # type: ignore[misc]
    """The same log-Mel spectrogram, computed piece by piece.

    The original holds the spectrum of the whole recording several times over: a gigabyte for half
    an hour. This holds 30 s of it.
    """

    def __call__(
        self, waveform: NDArray[np.float32], padding: int = 160, chunk_length: int | None = None
    ) -> NDArray[np.float32]:
        samples = np.pad(waveform.astype(np.float32, copy=False), (0, padding))
        frames = len(samples) // self.hop_length
        samples = np.pad(samples, self.n_fft // 2, mode="reflect")
        window = np.hanning(self.n_fft + 1)[:-1].astype(np.float32)
        log_mel = np.empty((self.mel_filters.shape[0], frames), np.float32)
        for start in range(0, frames, _PIECE):
            stop = min(start + _PIECE, frames)
            spectrum = self.stft(
                samples[start * self.hop_length : (stop - 1) * self.hop_length + self.n_fft],
                self.n_fft,
                self.hop_length,
                window=window,
                center=False,
                return_complex=True,
            )
            power = np.abs(spectrum.astype(np.complex64)) ** 2
            log_mel[:, start:stop] = np.log10(np.maximum(self.mel_filters @ power, 1e-10))
        np.maximum(log_mel, log_mel.max() - 8.0, out=log_mel)
        log_mel += 4.0
        log_mel /= 4.0
        return log_mel
