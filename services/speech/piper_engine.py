"""Speaks with Piper voices (VITS on ONNX Runtime, pronunciation by espeak-ng)."""

import json
import logging
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
import onnxruntime
from piper import PiperVoice
from piper.config import PiperConfig, SynthesisConfig

from services.runtime.errors import InvalidRequest
from services.runtime.manifest import Manifest
from services.runtime.residency.placement import CPU, Placement
from services.runtime.worker import Cancellation
from services.speech.engine import Samples, SpeechRequest
from services.speech.output import Output
from services.speech.phrases import phrases, speakable

#: About nine seconds of speech at normal speed. The memory that synthesis takes, and ONNX Runtime
#: then keeps, grows with the sound made: 1.4 MB a phoneme here.
LONGEST_PHRASE, SHORTEST_PHRASE = 160, 60


class PiperEngine:
    """Loads a voice from `voice.onnx` and `voice.json`. `threads` is for one request."""

    kinds = frozenset({CPU})

    def __init__(self, threads: int) -> None:
        self._threads = threads
        # Piper logs texts and phonemes, which are nobody's business.
        logging.getLogger("piper").setLevel(logging.ERROR)

    def load(self, manifest: Manifest, folder: Path, placement: Placement) -> "PiperSynthesizer":
        """See `Engine`. Speaks once, so that the first request does not wait for warming up."""
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = self._threads
        # Spinning threads would take the cores from the other services of this machine.
        options.add_session_config_entry("session.intra_op.allow_spinning", "0")
        # To plan which tensor takes whose place is three quarters of the load, and to foresee a
        # phrase's memory by an earlier one's is vain where no two are as long. Without either the
        # sound and its time are the same, and it takes less memory.
        options.enable_mem_reuse = options.enable_mem_pattern = False
        session = onnxruntime.InferenceSession(
            str(folder / "voice.onnx"), sess_options=options, providers=["CPUExecutionProvider"]
        )
        config = json.loads((folder / "voice.json").read_text("utf-8"))
        voice = PiperVoice(session=session, config=PiperConfig.from_dict(config))
        synthesizer = PiperSynthesizer(voice)
        warming_up = SpeechRequest("Ready.", manifest.voices[0])
        for _ in synthesizer.synthesize(warming_up, Cancellation()):
            pass
        return synthesizer


class PiperSynthesizer:
    """A Piper voice in memory. ONNX Runtime and Piper's lock around espeak make it thread-safe."""

    def __init__(self, voice: PiperVoice) -> None:
        self._voice: PiperVoice | None = voice

    def synthesize(self, request: SpeechRequest, cancelled: Cancellation) -> Iterator[Samples]:
        """See `Synthesizer`. Emoji are spoken by name, as espeak does."""
        voice = self._voice
        assert voice is not None, "used after close"
        sentences = [
            sentence
            for sentence in voice.phonemize(speakable(request.text))
            if any(phoneme.isalpha() for phoneme in sentence)
        ]
        if not sentences:
            raise InvalidRequest(
                "The input has nothing that can be spoken; send words or numbers.", param="input"
            )
        # The voice can draw its phonemes out, but makes none shorter than a frame: asked to speak
        # four times as fast it takes half the time, not a quarter. So haste is made of normal
        # speech.
        slowness = max(1.0, 1.0 / request.speed)
        style = SynthesisConfig(length_scale=voice.config.length_scale * slowness)
        longest = max(SHORTEST_PHRASE, int(LONGEST_PHRASE / slowness))
        output = Output(voice.config.sample_rate, max(1.0, request.speed))
        for sentence in sentences:
            for phrase in phrases(sentence, longest):
                if cancelled.is_set:
                    return
                yield output.feed(_speak(voice, phrase, style))
        yield output.finish()

    def close(self) -> None:
        """Frees the voice."""
        self._voice = None


def _speak(voice: PiperVoice, phonemes: Sequence[str], style: SynthesisConfig) -> Samples:
    """One phrase at the voice's own rate, as loud as full scale allows, as Piper does."""
    samples = voice.phoneme_ids_to_audio(voice.phonemes_to_ids(list(phonemes)), style)
    samples = np.asarray(samples, np.float32).reshape(-1)
    peak = float(np.abs(samples).max(initial=0.0))
    return samples / np.float32(peak) if peak > 1e-8 else samples
