"""MusicGen and AudioGen through Meta's AudioCraft.

AudioCraft draws from torch's global generators and keeps what it is doing in its modules. So one
piece is made at a time, and the generators are put back as they were.
"""

import math
import threading
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, closing, contextmanager, nullcontext
from pathlib import Path
from typing import Any

import torch
import transformers
from audiocraft.models import AudioGen, MusicGen, builders, loaders
from audiocraft.models.encodec import HFEncodecCompressionModel
from audiocraft.modules.conditioners import T5Conditioner
from omegaconf import OmegaConf

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
from services.melody.musicgen.stepping import Stepping
from services.melody.musicgen.windows import OVERLAP_SECONDS, WINDOW_SECONDS, Reach
from services.melody.settings import MelodySettings
from services.runtime.footprint import allowed
from services.runtime.manifest import Manifest
from services.runtime.residency.placement import CPU, CUDA, Placement
from services.runtime.worker import Cancellation

#: Seconds between two looks at whether who waits for a turn still wants it.
_GLANCE = 0.05

#: What a melody model tells voices from drums with, by the name that AudioCraft asks for.
STEMS = "htdemucs"

#: Text encoder and codec, as folders beside the checkpoint, where it only names them.
T5, ENCODEC = "t5", "encodec"


class AudiocraftEngine:
    """Loads AudioCraft's checkpoints: AudioGen's where the task is `sound`, MusicGen's otherwise.

    `device` is a setting; `threads` are torch's, for one request.
    """

    def __init__(self, *, device: str, threads: int) -> None:
        self.kinds = allowed(device, cuda=torch.cuda.is_available())
        torch.set_num_threads(threads)
        transformers.utils.logging.set_verbosity_error()
        transformers.utils.logging.disable_progress_bar()
        # There is one generator of each device for all models.
        self._turn = threading.Lock()

    def load(self, manifest: Manifest, folder: Path, placement: Placement) -> Musician:
        """See `Engine`. With `options.pretrained` AudioCraft finds the model by that name, as it
        does `debug`, which it makes up; else it is what lies in `folder`.
        """
        kind = AudioGen if "sound" in manifest.tasks else MusicGen
        with _on(placement):
            if name := manifest.options.get("pretrained"):
                model = kind.get_pretrained(name, device=placement.kind)
            else:
                codec = _codec(folder, placement.kind)
                model = kind(manifest.name, codec, _language_model(folder, placement.kind))
        return AudiocraftMusician(model, manifest, placement, self._turn)


def audiocraft(settings: MelodySettings) -> AudiocraftEngine:
    """The engine that these settings ask for."""
    return AudiocraftEngine(device=settings.device, threads=settings.threads_per_slot)


class AudiocraftMusician:
    """A model of AudioCraft's in memory. Requests take turns."""

    genres: tuple[Genre, ...] = ()

    def __init__(
        self, model: Any, manifest: Manifest, placement: Placement, turn: threading.Lock
    ) -> None:
        self._model: Any = model
        self._tasks = manifest.tasks
        self._placement = placement
        self._turn = turn
        self._follows = "self_wav" in model.lm.condition_provider.conditioners
        # What MusicGen goes on from is as great a part of its window for the others.
        usual = model.max_duration * OVERLAP_SECONDS / WINDOW_SECONDS
        overlap = manifest.options.get("overlap_seconds", usual)
        self._stride: float = model.max_duration - overlap
        frames = int(model.max_duration * model.frame_rate)
        self._reach = Reach(frames, frames - int(self._stride * model.frame_rate))

    def compose(self, request: MelodyRequest, cancelled: Cancellation) -> Iterator[Piece]:
        """See `Musician`. Cancelling takes effect between two steps, a fiftieth of a second of
        sound each. All is written before the first of it sounds.
        """
        wanted = asked(request, self._tasks, follows=self._follows)
        model = self._model
        rate, channels = model.sample_rate, model.audio_channels
        count = round(wanted.seconds * rate)
        yield Started(count / rate, rate, channels)
        frames = math.ceil(count / rate * model.frame_rate)
        # Codebooks are delayed by a step each, and those of left and right go together.
        told = Steps(self._reach.steps(frames, model.lm.num_codebooks // channels - 1))
        with self._one_at_a_time(cancelled) as ours:
            if not ours:
                return
            writing = Stepping(lambda step: self._write(wanted, frames, step))
            with closing(iter(writing)) as steps:
                for _ in steps:
                    if cancelled.is_set:
                        return
                    yield from told.step()
        yield Progress(1.0)
        yield from sounding(writing.result[0].float().cpu().numpy().T, count, rate)

    def close(self) -> None:
        """Gives the memory back."""
        self._model = None
        torch.cuda.empty_cache()

    @contextmanager
    def _one_at_a_time(self, cancelled: Cancellation) -> Iterator[bool]:
        """Waits for the turn; gives whether it came before nobody wanted it any more."""
        ours = False
        while not ours and not cancelled.is_set:
            ours = self._turn.acquire(timeout=_GLANCE)
        try:
            yield ours
        finally:
            if ours:
                self._turn.release()

    def _write(self, wanted: Asked, frames: int, step: Callable[[], None]) -> torch.Tensor:
        """The sound, shape `(1, channels, samples)`; calls `step` after each step."""
        model = self._model
        model.set_custom_progress_callback(lambda _done, _of: step())
        model.set_generation_params(
            use_sampling=wanted.temperature > 0.0,
            temperature=wanted.temperature,
            top_k=min(wanted.top_k, model.lm.card),
            # Where it is given, AudioCraft looks at nothing else.
            top_p=wanted.top_p if wanted.top_p < 1.0 else 0.0,
            cfg_coef=wanted.guidance,
            # It rounds down, and a half keeps clear of what a float might lack of a whole.
            duration=(frames + 0.5) / model.frame_rate,
            extend_stride=self._stride,
        )
        devices = [self._placement.index] if self._placement.kind == CUDA else []
        with _on(self._placement), torch.random.fork_rng(devices):
            torch.manual_seed(wanted.seed)
            if wanted.tune is None:
                sound: torch.Tensor = model.generate([wanted.text], progress=True)
            else:
                tune = torch.from_numpy(wanted.tune)[None]
                sound = model.generate_with_chroma([wanted.text], tune, TUNE_RATE, progress=True)
            return sound


def _on(placement: Placement) -> AbstractContextManager[Any]:
    """AudioCraft knows of one GPU only: the current one of the thread."""
    return torch.cuda.device(placement.index) if placement.kind == CUDA else nullcontext()


def _codec(folder: Path, device: str) -> Any:
    """The codec of a checkpoint; one that it only names has to lie beside it."""
    if (folder / ENCODEC).is_dir():
        codec = transformers.EncodecModel.from_pretrained(folder / ENCODEC, local_files_only=True)
        return HFEncodecCompressionModel(codec).to(device).eval()
    return loaders.load_compression_model(folder, device=device)


def _language_model(folder: Path, device: str) -> Any:
    """The language model of a checkpoint. What that only names is taken from beside it: the T5
    that reads descriptions, and the Demucs that a melody is heard with.
    """
    checkpoint = loaders.load_lm_model_ckpt(folder)
    config = OmegaConf.create(checkpoint["xp.cfg"])
    config.device, config.dtype = device, "float32" if device == CPU else "float16"
    # Of the training, and not known to the conditioner any more.
    if "self_wav" in config.conditioners:
        config.conditioners.self_wav.chroma_stem.cache_path = None
        # Demucs looks there for `checkpoints/` before it looks anywhere else.
        torch.hub.set_dir(str(folder))
    with _known_text_encoder(folder / T5) as name:
        config.conditioners.description.t5.name = name
        model = builders.get_lm_model(config)
    model.load_state_dict(checkpoint["best_state"])
    if "self_wav" in model.condition_provider.conditioners:
        heard = model.condition_provider.conditioners["self_wav"]
        heard.match_len_on_eval, heard._use_masking = True, False
    model.cfg = config
    return model.eval()


@contextmanager
def _known_text_encoder(folder: Path) -> Iterator[str]:
    """AudioCraft reads no T5 but those whose names it knows; for a while it knows this folder."""
    name = str(folder)
    width = transformers.T5Config.from_pretrained(folder, local_files_only=True).d_model
    T5Conditioner.MODELS.append(name)
    T5Conditioner.MODELS_DIMS[name] = width
    try:
        yield name
    finally:
        T5Conditioner.MODELS.remove(name)
        del T5Conditioner.MODELS_DIMS[name]
