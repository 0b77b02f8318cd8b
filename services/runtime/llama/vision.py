"""The projector of a model that sees: cuts pictures up, and encodes them as if they were tokens."""

import ctypes
import threading
import weakref
from pathlib import Path
from typing import Any

import numpy as np
from llama_cpp import llama_cpp, mtmd_cpp
from llama_cpp._ggml import libggml

from services.runtime.errors import InvalidRequest, ModelLoadFailed, ServiceUnavailable
from services.runtime.llama.generation import Image
from services.runtime.llama.marks import Rows, key_of, marks
from services.runtime.llama.picture import Pixels, decode
from services.runtime.llama.weights import say


class Projector:
    """`mmproj.gguf` beside the text model whose embeddings it makes.

    Pictures may be opened in any thread and while another is encoded, as llama.cpp's own server
    does; only one is encoded at a time.
    """

    def __init__(self, path: Path, model: Any, *, threads: int, gpu: int | None, most: int) -> None:
        """`model` is a `llama_model_p`, `gpu` the number of a CUDA device, `most` the tokens that
        can be read at once. Raises `ModelLoadFailed`.
        """
        mtmd_cpp.mtmd_helper_log_set(say, None)
        params = mtmd_cpp.mtmd_context_params_default()
        params.n_threads = threads
        params.print_timings = False
        params.use_gpu = gpu is not None
        params.device = None if gpu is None else _device(gpu)
        self._context: Any = mtmd_cpp.mtmd_init_from_file(str(path).encode(), model, params)
        if not self._context:
            raise ModelLoadFailed(
                f"{path.name} of this model is no projector that llama.cpp can read, or one of "
                "other weights."
            )
        self.width = int(llama_cpp.llama_model_n_embd_inp(model))
        """Of an embedding."""
        self.causal = not mtmd_cpp.mtmd_decode_use_non_causal(self._context, None)
        """Whether a picture is read token by token; else each token of a chunk sees all others."""
        self._most = most
        self._opening = threading.Lock()
        self._encoding = threading.Lock()
        if mtmd_cpp.mtmd_decode_use_mrope(self._context):
            self.close()
            raise ModelLoadFailed(
                "This model counts the tokens of a picture by row and column (M-RoPE), which this "
                "engine does not: use LLaVA, SmolVLM or Gemma 3."
            )

    def open(self, image: Image) -> "Opened":
        """A picture, decoded and cut up. Blocking. Raises `InvalidRequest`."""
        with self._opening:  # A large picture unpacked takes memory, so one at a time.
            opened = Opened(self, self._living(), image)
        if not self.causal and opened.longest > self._most:
            raise InvalidRequest(
                f"A picture takes {opened.longest} tokens that this model reads all at once, and "
                f"{self._most} can be: send a smaller picture.",
                param="messages",
            )
        return opened

    def encode(self, chunk: Any) -> Rows:
        """The encoding of a `mtmd_input_chunk_p`. Blocking."""
        with self._encoding:
            if mtmd_cpp.mtmd_encode_chunk(self._living(), chunk):
                raise RuntimeError("llama.cpp failed to encode a picture")
            shape = (mtmd_cpp.mtmd_input_chunk_get_n_tokens(chunk), self.width)
            rows = mtmd_cpp.mtmd_get_output_embd(self._living())
            return np.ctypeslib.as_array(rows, shape).copy()

    def close(self) -> None:
        """Frees the projector, when nobody uses it any more; the text model stays."""
        with self._opening, self._encoding:
            mtmd_cpp.mtmd_free(self._context)
            self._context = None

    def _living(self) -> Any:
        if self._context is None:
            raise ServiceUnavailable("The model is being unloaded; try again.", retry_after=1.0)
        return self._context


class Opened:
    """A picture in the form that the encoder takes."""

    def __init__(self, projector: Projector, context: Any, image: Image) -> None:
        self._projector = projector
        self._held = mtmd_cpp.mtmd_input_chunks_init()
        weakref.finalize(self, mtmd_cpp.mtmd_input_chunks_free, self._held)
        self._cut(context, decode(image))
        self.tokens: list[int] = []
        """What to put into the prompt: marks, and the model's own tokens around and between."""
        self.longest = 0
        """Marks of the longest chunk."""
        self._chunks: dict[int, Any] = {}
        for at in range(mtmd_cpp.mtmd_input_chunks_size(self._held)):
            chunk = mtmd_cpp.mtmd_input_chunks_get(self._held, at)
            if mtmd_cpp.mtmd_input_chunk_get_type(chunk) == mtmd_cpp.MTMD_INPUT_CHUNK_TYPE_TEXT:
                count = ctypes.c_size_t()
                tokens = mtmd_cpp.mtmd_input_chunk_get_tokens_text(chunk, ctypes.byref(count))
                self.tokens += tokens[: count.value]
            else:
                key = key_of(image.data, len(self._chunks))
                rows = mtmd_cpp.mtmd_input_chunk_get_n_tokens(chunk)
                self._chunks[key] = chunk
                self.tokens += marks(key, rows)
                self.longest = max(self.longest, rows)

    def encode(self, key: int) -> Rows:
        """The encoding of a chunk. Blocking, from a tenth of a second to several; one at a time."""
        return self._projector.encode(self._chunks[key])

    def _cut(self, context: Any, pixels: Pixels) -> None:
        """Lets mtmd make its chunks: of the picture alone, people's text never goes through it."""
        data = (ctypes.c_uint8 * len(pixels.data)).from_buffer_copy(pixels.data)
        bitmap = mtmd_cpp.mtmd_bitmap_init(pixels.width, pixels.height, data)
        marker = mtmd_cpp.mtmd_default_marker()
        text = mtmd_cpp.mtmd_input_text(marker, len(marker), False, True)
        bitmaps = (mtmd_cpp.mtmd_bitmap_p_ctypes * 1)(bitmap)
        failed = mtmd_cpp.mtmd_tokenize(context, self._held, ctypes.byref(text), bitmaps, 1)
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
