"""Speaks with Bark models through transformers."""

import logging
import threading
import unicodedata
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import torch
import transformers
from huggingface_hub.errors import StrictDataclassError
from safetensors import SafetensorError

from services.runtime.errors import Cancelled, InvalidRequest, ModelLoadFailed
from services.runtime.footprint import allowed
from services.runtime.manifest import Manifest
from services.runtime.residency.placement import CUDA, Placement
from services.runtime.worker import Cancellation
from services.speech.engine import Samples, SpeechRequest
from services.speech.output import Output
from services.speech.phrases import phrases, sentences, speakable

_log = logging.getLogger(__name__)

#: Characters that are spoken in one go. Bark speaks for 15 s at most and swallows the rest; these
#: take about eleven. Of scripts with wide characters each is a syllable or more.
LONGEST, LONGEST_WIDE = 160, 50
#: After a word alone Bark tends to make things up.
SHORTEST = 24

#: Tokens of meaning, 50 a second, before which no phrase ends; and how many a trial has.
_LEAST_TOKENS, _TRIAL_TOKENS = 10, 16

#: What a phrase ends by, where `options.min_eos_p` says nothing else: this probability of its end.
#: Bark's own code has the same.
_END = 0.2

#: Bark draws from torch's generators, which the whole process shares. So phrases are made one by
#: one, each from a seed of its own, and the same request sounds the same whatever goes on beside.
_drawing = threading.Lock()
#: How often who waits for that asks whether its caller has left, seconds.
_ASK = 0.05

#: What a broken file makes the libraries raise.
_BROKEN = (
    OSError, ValueError, KeyError, TypeError, RuntimeError, IndexError, AttributeError,
    SafetensorError, StrictDataclassError,
)  # fmt: skip


class BarkEngine:
    """Loads folders as `save_pretrained` of transformers writes them, weights as safetensors, with
    the arrays that `speaker_embeddings_path.json` names. `device` is a setting; `threads` are
    torch's, for one phrase.
    """

    def __init__(self, *, device: str, threads: int) -> None:
        self.kinds = allowed(device, cuda=torch.cuda.is_available())
        torch.set_num_threads(threads)
        transformers.utils.logging.set_verbosity_error()
        transformers.utils.logging.disable_progress_bar()

    def load(self, manifest: Manifest, folder: Path, placement: Placement) -> "BarkSynthesizer":
        """See `Engine`. On a GPU it computes in 16 bits, the codec in 32.

        Of `options`, `seed` is what chance begins with and `min_eos_p` how probable the end of a
        phrase has to be. Raises `ModelLoadFailed` for a checkpoint that cannot be read or lacks a
        voice of `model.yaml`, `ValueError` for options out of range.
        """
        seed = manifest.options.get("seed", 0)
        end = manifest.options.get("min_eos_p", _END)
        if not isinstance(seed, int) or not 0 <= seed < 2**32:
            raise ValueError(f"{manifest.name}: options.seed must be a whole number below 2**32")
        if not isinstance(end, int | float) or not 0 < end <= 1:
            raise ValueError(f"{manifest.name}: options.min_eos_p must be above 0 and at most 1")
        model, processor = _read(manifest.name, folder)
        name = manifest.name
        voices = {voice: _voice(name, model, processor, voice) for voice in manifest.voices}
        model.to(torch.device(placement.kind, placement.index)).eval()
        if placement.kind == CUDA:
            model.half()
            model.codec_model.float()
        synthesizer = BarkSynthesizer(model, processor, voices, seed=seed, end=float(end))
        synthesizer.try_out(name, manifest.voices[0])
        return synthesizer


class BarkSynthesizer:
    """A Bark in memory. Phrases of several requests take turns."""

    def __init__(
        self, model: Any, processor: Any, voices: dict[str, Any], *, seed: int, end: float
    ) -> None:
        self._model: Any = model
        self._processor = processor
        self._voices = {voice: arrays.to(model.device) for voice, arrays in voices.items()}
        self._seed = seed
        self._end = end
        self._rate: int = model.config.codec_config.sampling_rate
        self._tokens: int = model.generation_config.semantic_config["max_input_semantic_length"]
        self._watch = _Watch()
        for network in (model.semantic, model.coarse_acoustics, model.fine_acoustics):
            # Each network passes there once a step, whichever loop of transformers takes it.
            network.drop.register_forward_pre_hook(self._watch)

    def try_out(self, name: str, voice: str) -> None:
        """Raises `ModelLoadFailed` where the networks cannot compute, or give what is no number."""
        try:
            sound = self._speak("Ready.", voice, 0, Cancellation(), max_new_tokens=_TRIAL_TOKENS)
            usable = sound.size > 0 and bool(np.isfinite(sound).all())
        except _BROKEN as error:
            _log.error("checkpoint does not compute", extra={"model": name}, exc_info=error)
            usable = False
        if not usable:
            raise ModelLoadFailed(
                f"The checkpoint of '{name}' does not compute: its weights, or what its "
                "config.json and generation_config.json say of them, are broken.",
                param="model",
            )

    def synthesize(self, request: SpeechRequest, cancelled: Cancellation) -> Iterator[Samples]:
        """See `Synthesizer`. Cancelling takes effect at the next token of any of the networks.

        The same request gives the same samples on the same machine.
        """
        wanted = list(spoken(request.text))
        if not wanted:
            raise InvalidRequest(
                "The input has nothing that can be spoken; send words or numbers.", param="input"
            )
        output = Output(self._rate, request.speed)
        for at, phrase in enumerate(wanted):
            try:
                sound = self._speak(phrase, request.voice, at, cancelled)
            except Cancelled:
                return
            yield output.feed(sound)
        yield output.finish()

    def close(self) -> None:
        """Gives the memory back."""
        self._model = None
        self._voices = {}
        torch.cuda.empty_cache()

    def _speak(
        self, phrase: str, voice: str, at: int, cancelled: Cancellation, **limits: int
    ) -> Samples:
        """One phrase, the `at`th of its request, at the model's own rate. Raises `Cancelled`."""
        model = self._model
        read = self._processor(phrase, max_length=self._tokens, truncation=True).to(model.device)
        devices = [model.device] if model.device.type == CUDA else []
        with _turn(cancelled), torch.random.fork_rng(devices):
            self._watch.cancelled = cancelled
            torch.manual_seed(self._seed + at)
            sound = model.generate(
                **read,
                history_prompt=self._voices[voice],
                min_eos_p=self._end,
                semantic_min_new_tokens=_LEAST_TOKENS,
                **{f"semantic_{name}": value for name, value in limits.items()},
            )
        samples: Samples = sound[0].float().cpu().numpy()
        return np.clip(samples, -1.0, 1.0)


@contextmanager
def _turn(cancelled: Cancellation) -> Iterator[None]:
    """Waits until nobody else draws. Raises `Cancelled`."""
    while not _drawing.acquire(timeout=_ASK):
        if cancelled.is_set:
            raise Cancelled("The request was cancelled.")
    try:
        yield
    finally:
        _drawing.release()


class _Watch:
    """Asks before each step whether anybody still wants what is being made."""

    def __init__(self) -> None:
        self.cancelled = Cancellation()

    def __call__(self, network: Any, inputs: Any) -> None:
        """Raises `Cancelled`."""
        if self.cancelled.is_set:
            raise Cancelled("The request was cancelled.")


def spoken(text: str) -> Iterator[str]:
    """A text as the phrases that Bark is given, without those that have nothing to say."""
    for sentence in sentences(speakable(text), SHORTEST):
        wide = sum(unicodedata.east_asian_width(character) in "WF" for character in sentence)
        for phrase in phrases(sentence, LONGEST_WIDE if 2 * wide > len(sentence) else LONGEST):
            words = " ".join("".join(phrase).split())
            if any(character.isalnum() for character in words):
                yield words


def _read(name: str, folder: Path) -> tuple[Any, Any]:
    """Network and processor. Pickles are not read: they may hold any code."""
    if not any(folder.glob("*.safetensors")):
        raise ModelLoadFailed(
            f"The model '{name}' has no weights as safetensors; scripts/bark_model.py converts "
            "what it has.",
            param="model",
        )
    try:
        config = transformers.AutoConfig.from_pretrained(folder, local_files_only=True)
        if config.model_type != "bark":
            raise ValueError(f"{config.model_type} is no Bark")
        processor = transformers.BarkProcessor.from_pretrained(folder, local_files_only=True)
        model, info = transformers.BarkModel.from_pretrained(
            folder,
            config=config,
            local_files_only=True,
            use_safetensors=True,
            dtype=torch.float32,
            output_loading_info=True,
        )
        missing = info["missing_keys"] | {key for key, *_ in info["mismatched_keys"]}
        if missing:
            raise ValueError(f"{len(missing)} weights are missing, such as {min(missing)}")
        _check_text(model.generation_config.semantic_config, processor.tokenizer)
    except _BROKEN as error:
        _log.error("checkpoint not read", extra={"model": name}, exc_info=error)
        raise ModelLoadFailed(
            f"The checkpoint of '{name}' cannot be read: a file is broken or missing, or of "
            "another kind of model. Pull it or convert it again.",
            param="model",
        ) from error
    return model, processor


def _check_text(semantic: dict[str, Any], tokenizer: Any) -> None:
    """Raises `ValueError` where the tokens of a text are not those that the network has learnt."""
    # Without its file there is a tokeniser all the same, which knows not one word.
    if len(tokenizer) <= len(tokenizer.all_special_tokens):
        raise ValueError("the tokeniser knows no words")
    if semantic["text_encoding_offset"] + len(tokenizer) > semantic["text_pad_token"]:
        raise ValueError("the tokeniser knows more words than the network")


def _voice(name: str, model: Any, processor: Any, voice: str) -> Any:
    """The tokens of a voice. Raises `ModelLoadFailed` where there are none, or no such tokens."""
    meanings = model.generation_config.semantic_config["semantic_vocab_size"]
    codes = model.generation_config.codebook_size
    try:
        if voice not in processor.available_voice_presets:
            raise ValueError(f"speaker_embeddings_path.json does not name {voice}")
        tokens = processor("", voice_preset=voice)["history_prompt"]
        for kind, limit in (
            ("semantic_prompt", meanings), ("coarse_prompt", codes), ("fine_prompt", codes),
        ):  # fmt: skip
            if tokens[kind].is_floating_point() or tokens[kind].numel() == 0:
                raise ValueError(f"{kind} of {voice} holds no tokens")
            # On a GPU such a token would end the process, not the request.
            if not (tokens[kind].min() >= 0 and tokens[kind].max() < limit):
                raise ValueError(f"{kind} of {voice} holds tokens from {limit} on")
    except _BROKEN as error:
        _log.error("voice not read", extra={"model": name, "voice": voice}, exc_info=error)
        raise ModelLoadFailed(
            f"The model '{name}' has no usable arrays for its voice {voice!r}; pull it again, or "
            "take the voice out of model.yaml.",
            param="model",
        ) from error
    return tokens
