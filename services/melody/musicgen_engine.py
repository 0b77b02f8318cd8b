"""MusicGen through transformers: text, and where the model knows how a tune, to music.

transformers' `generate` draws from torch's global generator, runs to its end in one call and does
not compile this model. So the steps are taken here, one by one; all that they do is transformers'.
"""

import math
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
import transformers
from numpy.typing import NDArray
from transformers.audio_utils import chroma_filter_bank
from transformers.generation import (
    LogitsProcessorList,
    TemperatureLogitsWarper,
    TopKLogitsWarper,
    TopPLogitsWarper,
)

from services.melody.engine import (
    TUNE_RATE,
    Genre,
    MelodyRequest,
    Musician,
    Piece,
    Progress,
    Started,
)
from services.melody.musicgen.asked import Asked, asked
from services.melody.musicgen.output import Steps, sounding
from services.melody.musicgen.windows import OVERLAP_SECONDS, WINDOW_SECONDS, Reach, Window
from services.melody.settings import MelodySettings
from services.runtime.errors import InvalidRequest
from services.runtime.footprint import allowed
from services.runtime.manifest import Manifest
from services.runtime.residency.placement import CUDA, Placement
from services.runtime.worker import Cancellation

#: Tokens of a description.
LONGEST_TEXT = 512

#: Lengths are rounded up to a multiple of these where code is compiled, lest each be compiled anew.
TEXT_BLOCK, CACHE_BLOCK = 64, 256

_CLASSES = {
    "musicgen": transformers.MusicgenForConditionalGeneration,
    "musicgen_melody": transformers.MusicgenMelodyForConditionalGeneration,
}


class MusicgenEngine:
    """Loads folders as `save_pretrained` of transformers writes them, tokeniser included.

    `device` is a setting; `threads` are torch's, for one request.
    """

    def __init__(self, *, device: str, threads: int) -> None:
        self.kinds = allowed(device, cuda=torch.cuda.is_available())
        torch.set_num_threads(threads)
        transformers.utils.logging.set_verbosity_error()
        transformers.utils.logging.disable_progress_bar()

    def load(self, manifest: Manifest, folder: Path, placement: Placement) -> Musician:
        """See `Engine`. On a GPU the decoder computes in 16 bits, and is compiled by inductor;
        text encoder and codec stay in 32. `options.compile` names another of torch's compilers, or
        none: "".
        """
        config = transformers.AutoConfig.from_pretrained(folder, local_files_only=True)
        if config.model_type not in _CLASSES:
            raise ValueError(f"{manifest.name}: {config.model_type} is no MusicGen")
        model = _CLASSES[config.model_type].from_pretrained(
            folder, local_files_only=True, dtype=torch.float32
        )
        if placement.kind == CUDA:
            model.decoder.half()
        model.to(torch.device(placement.kind, placement.index)).eval()
        tokenizer = transformers.AutoTokenizer.from_pretrained(folder, local_files_only=True)
        compiler = manifest.options.get("compile", "inductor" if placement.kind == CUDA else "")
        return MusicgenMusician(model, tokenizer, manifest, Decoder(model.decoder, compiler))


def musicgen(settings: MelodySettings) -> MusicgenEngine:
    """The engine that these settings ask for."""
    return MusicgenEngine(device=settings.device, threads=settings.threads_per_slot)


class MusicgenMusician:
    """A MusicGen in memory. Requests share nothing but weights, so they may run side by side."""

    genres: tuple[Genre, ...] = ()

    def __init__(self, model: Any, tokenizer: Any, manifest: Manifest, decoder: "Decoder") -> None:
        self._model: Any = model
        self._tokenizer = tokenizer
        self._tasks = manifest.tasks
        codec = model.config.audio_encoder
        self._rate: int = codec.sampling_rate
        self._hop: int = codec.hop_length
        self._channels: int = model.decoder.config.audio_channels
        options = manifest.options
        self._reach = Reach(
            int(options.get("window_seconds", WINDOW_SECONDS) * codec.frame_rate),
            int(options.get("overlap_seconds", OVERLAP_SECONDS) * codec.frame_rate),
        )
        self._decoder = decoder
        self._hears = Chroma(model) if model.config.model_type == "musicgen_melody" else None

    def compose(self, request: MelodyRequest, cancelled: Cancellation) -> Iterator[Piece]:
        """See `Musician`. Cancelling takes effect between two steps, a fiftieth of a second of
        sound each. All is written before the first of it sounds.
        """
        wanted = asked(request, self._tasks, follows=self._hears is not None)
        text = self._read(wanted.text)
        count = round(wanted.seconds * self._rate)
        yield Started(count / self._rate, self._rate, self._channels)
        frames = math.ceil(count / self._hop)
        told = Steps(self._reach.steps(frames, self._decoder.delay))
        codes = self._decoder.blank(1, frames)
        chooser = Chooser(wanted, codes.device)
        for window in self._reach.windows(frames):
            conditions = self._conditions(text, wanted, window)
            for _ in self._decoder.write(codes, window, conditions, chooser):
                if cancelled.is_set:
                    return
                yield from told.step()
        samples = self._sound(codes)
        yield Progress(1.0)
        yield from sounding(samples, count, self._rate)

    def close(self) -> None:
        """Gives the memory back."""
        self._model = self._tokenizer = self._decoder = self._hears = None  # type: ignore[assignment]
        torch.cuda.empty_cache()

    def _read(self, text: str) -> Any:
        """The tokens of a description. Raises `InvalidRequest` where there are too many."""
        # Where it goes before the music it may not be padded: see `_conditions`.
        block = TEXT_BLOCK if self._decoder.compiled and self._hears is None else 1
        read = self._tokenizer(text, return_tensors="pt", padding=True, pad_to_multiple_of=block)
        if read.input_ids.shape[1] > LONGEST_TEXT:
            raise InvalidRequest(
                f"The description has {read.input_ids.shape[1]} tokens, {LONGEST_TEXT} are read; "
                "shorten it.",
                param="prompt",
            )
        return read.to(self._model.device)

    def _conditions(self, text: Any, wanted: Asked, window: Window) -> "Conditions":
        """What a window is to be like; with guidance, and after it, what it is like anyhow."""
        model = self._model
        guided = wanted.guidance != 1.0
        with torch.inference_mode():
            states = model.text_encoder(**text).last_hidden_state
            if hasattr(model, "enc_to_dec_proj"):
                states = model.enc_to_dec_proj(states)
            mask = text.attention_mask
            states = states * mask[..., None]
            if guided:
                states = torch.cat([states, torch.zeros_like(states)])
                mask = torch.cat([mask, torch.zeros_like(mask)])
            if self._hears is not None:
                seconds = window.begin * self._hop / self._rate
                heard = self._hears(wanted.tune, seconds, guided=guided)
                # Tune, then text, go before the music: where a text ends is not masked.
                states, mask = torch.cat([heard, states], dim=1), None
            return Conditions(states.to(model.decoder.dtype), mask, wanted.guidance)

    def _sound(self, codes: torch.Tensor) -> NDArray[np.float32]:
        """What codes, shape `(1, codebooks, frames)`, sound like: shape `(samples, channels)`."""
        codec, codes = self._model.audio_encoder, codes[None]
        # A stereo model writes codes for left and right in turns.
        sides = [codes[:, :, side :: self._channels] for side in range(self._channels)]
        with torch.inference_mode():
            heard = [codec.decode(side, audio_scales=[None]).audio_values[0, 0] for side in sides]
            samples: NDArray[np.float32] = torch.stack(heard, dim=1).float().cpu().numpy()
        return samples


@dataclass(frozen=True, slots=True, eq=False)
class Conditions:
    """What is asked for, shape `(batch, length, width)`; twice the batch where it is guided: what
    is asked for and nothing. No `mask` where it goes before the music rather than beside it.
    """

    states: torch.Tensor
    mask: torch.Tensor | None
    guidance: float

    @property
    def guided(self) -> bool:
        """Whether both are there."""
        return self.guidance != 1.0


class Chooser:
    """Draws tokens, from a generator of its own: the same seed draws the same."""

    def __init__(self, wanted: Asked, device: torch.device) -> None:
        self._generator = torch.Generator(device).manual_seed(wanted.seed)
        self._greedy = wanted.temperature == 0.0
        self._warpers = LogitsProcessorList()
        if not self._greedy and wanted.temperature != 1.0:
            self._warpers.append(TemperatureLogitsWarper(float(wanted.temperature)))
        if wanted.top_k:
            self._warpers.append(TopKLogitsWarper(wanted.top_k))
        if wanted.top_p < 1.0:
            self._warpers.append(TopPLogitsWarper(wanted.top_p))

    def __call__(self, logits: torch.Tensor) -> torch.Tensor:
        """A token for each row of shape `(rows, vocabulary)`."""
        if self._greedy:
            return logits.argmax(dim=-1)
        scores = self._warpers(None, logits)
        # The same as `multinomial`, without its look at the numbers, for which a GPU has to wait.
        noise = torch.empty_like(scores).exponential_(generator=self._generator)
        return (scores.softmax(dim=-1) / noise).argmax(dim=-1)


class Decoder:
    """The transformer that writes codes, one step for each frame and each codebook a step later."""

    def __init__(self, decoder: Any, compiler: str = "") -> None:
        self._decoder = decoder
        self._codebooks: int = decoder.config.num_codebooks
        self.delay: int = self._codebooks // decoder.config.audio_channels - 1
        self.compiled = bool(compiler)
        self._next = torch.compile(decoder, backend=compiler) if compiler else decoder

    def blank(self, batch: int, frames: int) -> torch.Tensor:
        """Codes to be written."""
        shape = batch, self._codebooks, frames
        return torch.zeros(shape, dtype=torch.long, device=self._decoder.device)

    def write(
        self, codes: torch.Tensor, window: Window, conditions: Conditions, choose: Chooser
    ) -> Iterator[None]:
        """Writes the new frames of a window into `codes`; yields after each step."""
        nothing: int = self._decoder.config.pad_token_id
        batch = len(codes)
        begun = codes[..., window.begin : window.new].reshape(batch * self._codebooks, -1)
        begun = torch.nn.functional.pad(begun, (1, 0), value=nothing)
        length = window.end - window.begin + self.delay + 1
        fed, pattern = self._decoder.build_delay_pattern_mask(begun, nothing, max_length=length)
        written = pattern.clone()
        cache = self._cache(conditions, length)
        forward, states = self._decoder, conditions.states
        for at in range(fed.shape[1], length):
            with torch.inference_mode():
                output = forward(
                    input_ids=fed.repeat(2, 1) if conditions.guided else fed,
                    encoder_hidden_states=states,
                    encoder_attention_mask=conditions.mask,
                    past_key_values=cache,
                    use_cache=True,
                )
                chosen = choose(_guided(output.logits[:, -1].float(), conditions))
                written[:, at] = torch.where(pattern[:, at] == -1, chosen, pattern[:, at])
            fed, forward = written[:, at : at + 1], self._next
            if conditions.mask is None:
                states = None  # Read once, before the music.
            yield
        whole = written[written != nothing].reshape(batch, self._codebooks, -1)
        codes[..., window.new : window.end] = whole[..., window.new - window.begin :]

    def _cache(self, conditions: Conditions, length: int) -> Any:
        """Room for keys and values: of the same size for every step, if it has to be."""
        config, width = self._decoder.config, conditions.states.shape[1]
        if not self.compiled:
            return transformers.EncoderDecoderCache(
                transformers.DynamicCache(config=config), transformers.DynamicCache(config=config)
            )
        room = -(-(length + width) // CACHE_BLOCK) * CACHE_BLOCK
        return transformers.EncoderDecoderCache(
            transformers.StaticCache(config=config, max_cache_len=room),
            transformers.StaticCache(config=config, max_cache_len=width),
        )


def _guided(logits: torch.Tensor, conditions: Conditions) -> torch.Tensor:
    if not conditions.guided:
        return logits
    asked_for, anyhow = logits.chunk(2)
    return anyhow + (asked_for - anyhow) * conditions.guidance


class Chroma:
    """Hears which pitch class is loudest, in frames, as MusicGen Melody has learnt to follow."""

    N_FFT, HOP = 16384, 4096

    def __init__(self, model: Any) -> None:
        self._model = model
        self._classes: int = model.config.num_chroma
        self._frames: int = model.config.chroma_length
        bank = chroma_filter_bank(self.N_FFT, self._classes, TUNE_RATE)
        self._bank = torch.from_numpy(bank).float()

    def __call__(
        self, tune: NDArray[np.float32] | None, seconds: float, *, guided: bool
    ) -> torch.Tensor:
        """States of the tune from `seconds` on, over and over, shape `(batch, length, width)`."""
        nothing = torch.zeros(1, self._frames, self._classes)
        nothing[..., 0] = 1
        heard = nothing if tune is None else self._heard(tune, seconds)
        both = torch.cat([heard, nothing]) if guided else heard
        states: torch.Tensor = self._model.audio_enc_to_dec_proj(both.to(self._model.device))
        return states

    def _heard(self, tune: NDArray[np.float32], seconds: float) -> torch.Tensor:
        samples = torch.from_numpy(tune)
        samples = torch.nn.functional.pad(samples, (0, max(0, self.N_FFT - len(samples))))
        window = torch.hann_window(self.N_FFT)
        spectrum = torch.stft(samples, self.N_FFT, self.HOP, window=window, return_complex=True)
        loudest = (self._bank @ spectrum.abs() ** 2).argmax(dim=0)
        first = round(seconds * TUNE_RATE / self.HOP)
        at = (first + torch.arange(self._frames)) % len(loudest)
        return torch.nn.functional.one_hot(loudest[at], self._classes)[None].float()
