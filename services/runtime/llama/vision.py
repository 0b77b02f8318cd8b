"""The projector of a model that sees: cuts pictures up, and encodes them as if they were tokens."""

import ctypes
import threading
import weakref
from pathlib import Path
from typing import Any

import numpy as np
from llama_cpp import llama_cpp, mtmd_cpp
from llama_cpp._ggml import libggml
from llama_cpp._logger import llama_log_callback

from services.runtime.errors import InvalidRequest
from services.runtime.llama.generation import Image
from services.runtime.llama.marks import Rows, key_of, marks
from services.runtime.llama.picture import Pixels, decode


class Projector:
    """`mmproj.gguf` beside the text model whose embeddings it makes.

    Pictures may be opened in any thread and while others are encoded, which llama.cpp's own server
    does as well; only one is encoded at a time.
    """

    def __init__(self, path: Path, model: Any, *, threads: int, gpu: int | None) -> None:
        """`model` is a `llama_model_p`, `gpu` the number of a CUDA device. Raises `ValueError`."""
        mtmd_cpp.mtmd_helper_log_set(llama_log_callback, None)
        params = mtmd_cpp.mtmd_context_params_default()
        params.n_threads = threads
        params.print_timings = False
        params.use_gpu = gpu is not None
        params.device = None if gpu is None else _device(gpu)
        self._context = mtmd_cpp.mtmd_init_from_file(str(path).encode(), model, params)
        if not self._context:
            raise ValueError(f"{path.name} is no projector for this model's text part")
        self._width = int(llama_cpp.llama_model_n_embd_inp(model))
        self._one = threading.Lock()
        if mtmd_cpp.mtmd_decode_use_mrope(self._context):
            self.close()
            raise ValueError(
                "the model counts the places of a picture in two dimensions (M-RoPE), which is "
                "not supported"
            )

    @property
    def causal(self) -> bool:
        """Whether a picture is read one place after another; else all of a chunk at once."""
        return not mtmd_cpp.mtmd_decode_use_non_causal(self._context, None)

    def close(self) -> None:
        """Frees the projector; the text model stays."""
        mtmd_cpp.mtmd_free(self._context)
        self._context = None

    def open(self, image: Image) -> "Opened":
        """A picture, decoded and cut up. Blocking. Raises `InvalidRequest`."""
        with self._one:  # A large picture unpacked takes memory, so one at a time.
            return Opened(self._context, self._width, image)


class Opened:
    """A picture in the form that the encoder takes."""

    def __init__(self, context: Any, width: int, image: Image) -> None:
        self._context = context
        self._width = width
        self._held = mtmd_cpp.mtmd_input_chunks_init()
        weakref.finalize(self, mtmd_cpp.mtmd_input_chunks_free, self._held)
        self._cut(decode(image))
        self.places: list[int] = []
        """What to put into the prompt: marks, and the model's own tokens around and between."""
        self._chunks: dict[int, Any] = {}
        for at in range(mtmd_cpp.mtmd_input_chunks_size(self._held)):
            chunk = mtmd_cpp.mtmd_input_chunks_get(self._held, at)
            if mtmd_cpp.mtmd_input_chunk_get_type(chunk) == mtmd_cpp.MTMD_INPUT_CHUNK_TYPE_TEXT:
                count = ctypes.c_size_t()
                tokens = mtmd_cpp.mtmd_input_chunk_get_tokens_text(chunk, ctypes.byref(count))
                self.places += tokens[: count.value]
            else:
                key = key_of(image.data, len(self._chunks))
                self._chunks[key] = chunk
                self.places += marks(key, mtmd_cpp.mtmd_input_chunk_get_n_tokens(chunk))

    @property
    def keys(self) -> list[int]:
        """The keys of its chunks, in order."""
        return list(self._chunks)

    def encode(self, key: int) -> Rows:
        """The encoding of a chunk. Blocking, from a tenth of a second to several; one at a time."""
        chunk = self._chunks[key]
        if mtmd_cpp.mtmd_encode_chunk(self._context, chunk):
            raise RuntimeError("llama.cpp failed to encode a picture")
        shape = (mtmd_cpp.mtmd_input_chunk_get_n_tokens(chunk), self._width)
        return np.ctypeslib.as_array(mtmd_cpp.mtmd_get_output_embd(self._context), shape).copy()

    def _cut(self, pixels: Pixels) -> None:
        """Lets mtmd make its chunks: of the picture alone, people's text never goes through it."""
        data = (ctypes.c_uint8 * len(pixels.data)).from_buffer_copy(pixels.data)
        bitmap = mtmd_cpp.mtmd_bitmap_init(pixels.width, pixels.height, data)
        marker = mtmd_cpp.mtmd_default_marker()
        text = mtmd_cpp.mtmd_input_text(marker, len(marker), False, True)
        bitmaps = (mtmd_cpp.mtmd_bitmap_p_ctypes * 1)(bitmap)
        failed = mtmd_cpp.mtmd_tokenize(self._context, self._held, ctypes.byref(text), bitmaps, 1)
        mtmd_cpp.mtmd_bitmap_free(bitmap)
        if failed:
            raise InvalidRequest(
                f"The model can make nothing of a picture of {pixels.width} x {pixels.height} "
                "pixels: send one of more usual proportions.",
                param="messages",
            )


def _device(gpu: int) -> int | None:
    by_name = libggml.ggml_backend_dev_by_name
    by_name.argtypes, by_name.restype = [ctypes.c_char_p], ctypes.c_void_p
    device: int | None = by_name(f"CUDA{gpu}".encode())
    return device
