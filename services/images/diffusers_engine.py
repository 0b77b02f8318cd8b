"""Pipelines of diffusers that make an image from words: SDXL, SDXL-Turbo, Stable Diffusion, ...

What `AutoPipelineForText2Image` reads. The same weights serve for changing images and for
variations, where diffusers has such a pipeline of that kind.
"""

import copy
import logging
import math
import threading
import warnings
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import diffusers as library
import torch
import transformers
from PIL import Image
from safetensors import SafetensorError, safe_open

from services.images.engine import (
    ImageRequest,
    Painter,
    Painting,
    Piece,
    Preview,
    Step,
    due_previews,
)
from services.images.settings import ImagesSettings
from services.images.telling import told
from services.runtime.errors import Cancelled, InvalidRequest, ModelLoadFailed, OutOfMemory
from services.runtime.footprint import allowed
from services.runtime.manifest import Manifest
from services.runtime.residency.placement import CUDA, Placement
from services.runtime.worker import Cancellation

_log = logging.getLogger(__name__)

_BROKEN = (OSError, ValueError, KeyError, TypeError, AttributeError, RuntimeError, SafetensorError)
#: Side of the image with which a pipeline is tried out.
_TRIAL = 64


class DiffusersEngine:
    """Loads folders as `save_pretrained` of diffusers writes them, with weights as safetensors.

    `device` is a setting; `threads` are torch's, for one request.
    """

    def __init__(self, *, device: str, threads: int) -> None:
        self.kinds = allowed(device, cuda=torch.cuda.is_available())
        torch.set_num_threads(threads)
        # Among what they would log are the words of a prompt that is too long.
        for logger in (library.utils.logging, transformers.utils.logging):
            logger.set_verbosity_error()
            logger.disable_progress_bar()
        # What diffusers says of itself where a VAE of 16 bits has to compute in 32.
        warnings.filterwarnings("ignore", "`upcast_vae` is deprecated", FutureWarning)

    def load(self, manifest: Manifest, folder: Path, placement: Placement) -> Painter:
        """See `Engine`. On a GPU it computes in 16 bits.

        Raises `ModelLoadFailed` for a checkpoint that cannot be read, lacks weights or does not
        compute.
        """
        pipeline = _read(manifest.name, folder, half=placement.kind == CUDA)
        pipeline.to(torch.device(placement.kind, placement.index))
        pipeline.set_progress_bar_config(disable=True)
        painter = DiffusersPainter(manifest.name, pipeline)
        painter.try_out()
        return painter


def diffusers(settings: ImagesSettings) -> DiffusersEngine:
    """The engine that these settings ask for."""
    return DiffusersEngine(device=settings.device, threads=settings.threads_per_slot)


class DiffusersPainter:
    """A pipeline in memory. It works on one image at a time: its scheduler keeps its state."""

    def __init__(self, name: str, pipeline: Any) -> None:
        self._name = name
        self._pipeline = pipeline
        self._siblings: dict[Any, Any] = {}
        self._working = threading.Lock()
        # Words are counted while an image is made, and a tokenizer keeps in itself how it was last
        # asked to fill up and cut: this one is for counting.
        self._tokenizer = copy.deepcopy(pipeline.tokenizer)
        self._counting = threading.Lock()

    def try_out(self) -> None:
        """Raises `ModelLoadFailed` where it cannot compute, or gives what is no number."""
        try:
            found = self._pipeline(
                prompt="a", num_inference_steps=1, guidance_scale=0.0, height=_TRIAL, width=_TRIAL,
                generator=self._generator(0), output_type="pt",
            ).images  # fmt: skip
            usable = bool(torch.isfinite(found).all())
        except _BROKEN as error:
            _log.error("checkpoint does not compute", extra={"model": self._name}, exc_info=error)
            usable = False
        if not usable:
            raise ModelLoadFailed(
                f"The checkpoint of '{self._name}' does not compute: its weights, or what its "
                "configuration says of them, are broken.",
                param="model",
            )

    def paint(self, request: ImageRequest, cancelled: Cancellation) -> Iterator[Piece]:
        """See `Painter`. Cancelling takes effect between two steps."""
        pipeline = self._pipeline_for(request)
        self._check_strength(request)
        self._check_prompt("prompt", request.prompt)
        self._check_prompt("negative_prompt", request.negative_prompt)
        for index, seed in enumerate(request.seeds):
            yield Step(index, 0, request.steps)
            yield from told(partial(self._one, pipeline, request, index, seed, cancelled))

    def close(self) -> None:
        """Gives the memory back."""
        self._pipeline = None
        self._siblings.clear()
        torch.cuda.empty_cache()

    def _one(
        self,
        pipeline: Any,
        request: ImageRequest,
        index: int,
        seed: int,
        cancelled: Cancellation,
        tell: Callable[[Piece], None],
    ) -> None:
        """Makes one image, and tells of it."""
        shown = 0

        def after(running: Any, step: int, _: Any, tensors: dict[str, Any]) -> dict[str, Any]:
            nonlocal shown
            if cancelled.is_set:
                raise Cancelled("The request was cancelled.")
            made = step + 1
            tell(Step(index, made, request.steps))
            while shown < due_previews(request, made):
                tell(Preview(index, shown, self._seen(tensors["latents"])))
                shown += 1
            return tensors

        wish = _wish(request) | {
            "generator": self._generator(seed),
            "callback_on_step_end": after,
            "callback_on_step_end_tensor_inputs": ["latents"],
        }
        with self._working:
            if cancelled.is_set:
                raise Cancelled("The request was cancelled.")
            try:
                picture = pipeline(**wish).images[0]
            except torch.OutOfMemoryError as error:
                torch.cuda.empty_cache()
                raise OutOfMemory(
                    "An image of this size does not fit the memory there is; ask for a smaller "
                    "one.",
                    param="size",
                ) from error
        if request.mask is not None and request.image is not None:
            # The way through the latents changes what is outside the mask a little.
            picture = Image.composite(picture, request.image, request.mask)
        tell(Painting(index, picture))

    def _pipeline_for(self, request: ImageRequest) -> Any:
        """The pipeline for what is asked, made of the same weights. Raises `InvalidRequest`."""
        if request.image is None:
            return self._pipeline
        kind: Any = library.AutoPipelineForImage2Image
        if request.mask is not None:
            kind = library.AutoPipelineForInpainting
        if kind not in self._siblings:
            try:
                made = kind.from_pipe(self._pipeline)
            except _BROKEN as error:
                raise InvalidRequest(
                    "This model makes images from words alone.", param="model"
                ) from error
            made.set_progress_bar_config(disable=True)
            self._siblings[kind] = made
        return self._siblings[kind]

    def _check_strength(self, request: ImageRequest) -> None:
        """Refuses more steps than there are on the way. Raises `InvalidRequest`."""
        most = self._pipeline.scheduler.config.num_train_timesteps
        if request.image is not None and request.steps > most * request.strength:
            raise InvalidRequest(
                f"With a strength of {request.strength:g} this model makes "
                f"{math.floor(most * request.strength)} steps at most; go further, or in fewer "
                "steps.",
                param="strength",
            )

    def _check_prompt(self, name: str, text: str) -> None:
        """Refuses what the model would not read to its end. Raises `InvalidRequest`."""
        with self._counting:
            found = len(self._tokenizer(text).input_ids)
        most = self._tokenizer.model_max_length
        if found > most:
            raise InvalidRequest(
                f"{name} has {found} tokens, this model reads {most}; shorten it.",
                param=name,
            )

    def _generator(self, seed: int) -> torch.Generator:
        """Chance for one image. It is drawn on the CPU, the same wherever the model is."""
        return torch.Generator("cpu").manual_seed(seed)

    def _seen(self, latents: torch.Tensor) -> Image.Image:
        """What unfinished latents look like."""
        vae, scaling = self._pipeline.vae, self._pipeline.vae.config.scaling_factor
        upcast = vae.dtype == torch.float16 and vae.config.force_upcast
        with torch.inference_mode():
            if upcast:
                vae.to(dtype=torch.float32)
            seen = vae.decode(latents.to(vae.dtype) / scaling, return_dict=False)[0]
            if upcast:
                vae.to(dtype=torch.float16)
        pictures: list[Image.Image] = self._pipeline.image_processor.postprocess(seen)
        return pictures[0]


def _wish(request: ImageRequest) -> dict[str, Any]:
    """The request in diffusers' words."""
    wish: dict[str, Any] = {
        "prompt": request.prompt,
        "guidance_scale": request.guidance,
        "num_inference_steps": request.steps,
    }
    if request.negative_prompt:
        wish["negative_prompt"] = request.negative_prompt
    if request.image is None:
        return wish | {"width": request.width, "height": request.height}
    # diffusers makes that share of the steps; ours are those that are made.
    steps = math.ceil(request.steps / request.strength)
    wish |= {"image": request.image, "strength": request.strength, "num_inference_steps": steps}
    if request.mask is not None:
        wish |= {
            "mask_image": request.mask,
            "width": request.width,
            "height": request.height,
        }
    return wish


def _read(name: str, folder: Path, *, half: bool) -> Any:
    """The pipeline. Pickles are not read: they may hold any code."""
    if not any(folder.rglob("*.safetensors")):
        raise ModelLoadFailed(
            f"The model '{name}' has no weights as safetensors; convert what it has with "
            "save_pretrained of diffusers.",
            param="model",
        )
    # Many a repository has weights of 16 bits beside those of 32.
    variant = "fp16" if any(folder.rglob("*.fp16.safetensors")) else None
    try:
        pipeline = library.AutoPipelineForText2Image.from_pretrained(
            folder,
            local_files_only=True,
            use_safetensors=True,
            variant=variant,
            dtype=torch.float16 if half else torch.float32,
        )
        lacking = _lacking(folder, pipeline)
    except _BROKEN as error:
        _log.error("checkpoint not read", extra={"model": name}, exc_info=error)
        raise ModelLoadFailed(
            f"The checkpoint of '{name}' cannot be read: a file is broken or missing, or it is no "
            "pipeline that makes images from words. Pull it or export it again.",
            param="model",
        ) from error
    if lacking:
        raise ModelLoadFailed(
            f"The checkpoint of '{name}' lacks weights of its {lacking}; pull it or export it "
            "again.",
            param="model",
        )
    return pipeline


def _lacking(folder: Path, pipeline: Any) -> str:
    """The first part that has more tensors than its files, for diffusers fills in random ones."""
    for part, module in pipeline.components.items():
        if not isinstance(module, torch.nn.Module):
            continue
        stored: set[str] = set()
        for path in (folder / part).glob("*.safetensors"):
            with safe_open(path, framework="pt") as file:
                stored.update(file.keys())
        if len(stored) < len(module.state_dict()):
            return str(part)
    return ""
