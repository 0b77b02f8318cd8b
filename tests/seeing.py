"""Tiny models that see, of random weights: GGUF pairs in the layout of those that people use."""

import io
from collections.abc import Iterator, Sequence
from pathlib import Path

import gguf
import numpy as np
from numpy.typing import NDArray
from PIL import Image as Pillow

from services.runtime.llama.generation import Image

WIDTH, LAYERS, HEADS, FEED = 64, 2, 4, 96
"""Of the text model and of the picture encoder alike."""
EPSILON = 1e-5
CHATML = (
    "{% for message in messages %}<|im_start|>{{ message['role'] }}\n{{ message['content'] }}"
    "<|im_end|>\n{% endfor %}{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
)
#: SmolVLM's own, which takes content as a list of parts and nothing else.
PARTS = (
    "<|im_start|>{% for message in messages %}{{ message['role'] | capitalize }}: "
    "{% for line in message['content'] %}{% if line['type'] == 'text' %}{{ line['text'] }}"
    "{% elif line['type'] == 'image' %}<image>{% endif %}{% endfor %}<end_of_utterance>\n"
    "{% endfor %}{% if add_generation_prompt %}Assistant:{% endif %}"
)
CONTROLS = (
    "<|im_start|>", "<|im_end|>", "<end_of_utterance>", "<start_of_image>", "<end_of_image>",
    "<image>", "<fake_token_around_image>", "<global-img>",
    *(f"<row_{row}_col_{column}>" for row in range(1, 5) for column in range(1, 5)),
)  # fmt: skip


def llava(folder: Path) -> Path:
    """LLaVA 1.5: pictures of 56 x 56 pixels, 16 tokens each, read one after another."""
    _text(folder / "model.gguf", CHATML)
    vision = _vision(folder / "mmproj.gguf", "mlp", pixels=56, patch=14, classed=True)
    for layer, columns in ((0, WIDTH), (2, WIDTH)):
        vision.weight(f"mm.{layer}.weight", WIDTH, columns)
        vision.weight(f"mm.{layer}.bias", WIDTH)
    vision.save()
    return folder


def smolvlm(folder: Path) -> Path:
    """SmolVLM: tiles of 32 x 32 pixels, 4 tokens each, up to 4 x 4 of them and the whole."""
    _text(folder / "model.gguf", PARTS)
    vision = _vision(folder / "mmproj.gguf", "idefics3", pixels=32, patch=8)
    vision.writer.add_uint32("clip.vision.projector.scale_factor", 2)
    vision.writer.add_uint32("clip.vision.preproc_image_size", 128)
    vision.weight("mm.model.fc.weight", WIDTH, WIDTH * 4)
    vision.save()
    return folder


def gemma(folder: Path) -> Path:
    """Gemma 3's projector: 16 tokens, each of which sees all of the picture."""
    _text(folder / "model.gguf", CHATML)
    vision = _vision(folder / "mmproj.gguf", "gemma3", pixels=64, patch=8)
    vision.writer.add_uint32("clip.vision.projector.scale_factor", 2)
    vision.weight("mm.input_projection.weight", WIDTH, WIDTH)
    vision.weight("mm.soft_emb_norm.weight", WIDTH)
    vision.save()
    return folder


def windowed(folder: Path, window: int) -> Path:
    """Gemma 2, which sees nothing: of every two layers one looks back no further than `window`."""
    _text(folder / "model.gguf", CHATML, "gemma2", window)
    return folder


def picture(seed: int, size: tuple[int, int] = (120, 120)) -> Image:
    """A PNG of noise; size in pixels, width first."""
    noise = np.random.default_rng(seed).integers(0, 255, (size[1], size[0], 3), np.uint8)
    sink = io.BytesIO()
    Pillow.fromarray(noise).save(sink, "PNG")
    return Image(sink.getvalue())


def token(text: str) -> int:
    """The number of a token in the vocabulary of all these models."""
    return [known for known, _ in _vocabulary()].index(text)


def qwen(folder: Path) -> Path:
    """Qwen2-VL: tokens of a picture are counted by row and column, in both parts."""
    _text(folder / "model.gguf", CHATML, "qwen2vl")
    vision = _vision(folder / "mmproj.gguf", "qwen2vl_merger", pixels=56, patch=14)
    vision.weight("v.patch_embd.weight.1", WIDTH, 3, 14, 14)
    for layer, rows in ((0, WIDTH * 4), (2, WIDTH)):
        vision.weight(f"mm.{layer}.weight", rows, WIDTH * 4)
        vision.weight(f"mm.{layer}.bias", rows, scale=0.1)
    vision.save()
    return folder


class _Weights:
    """A GGUF file in the making. Shapes are rows first, as numpy has them."""

    def __init__(self, path: Path, architecture: str, seed: int) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        self.writer = gguf.GGUFWriter(path, architecture)
        self._random = np.random.default_rng(seed)

    def weight(
        self, name: str, *shape: int, scale: float | NDArray[np.float64] | None = None
    ) -> None:
        """A tensor that keeps what passes it at about its size."""
        scale = shape[-1] ** -0.5 if scale is None else scale
        values = self._random.normal(0, scale, shape)
        self.writer.add_tensor(name, values.astype(np.float32))

    def norm(self, name: str, *, bias: bool) -> None:
        """A normalisation, near to the identity."""
        self.writer.add_tensor(f"{name}.weight", np.ones(WIDTH, np.float32))
        if bias:
            self.writer.add_tensor(f"{name}.bias", np.zeros(WIDTH, np.float32))

    def save(self) -> None:
        self.writer.write_header_to_file()
        self.writer.write_kv_data_to_file()
        self.writer.write_tensors_to_file()
        self.writer.close()


def _vocabulary() -> Iterator[tuple[str, gguf.TokenType]]:
    yield "<unk>", gguf.TokenType.UNKNOWN
    yield "<s>", gguf.TokenType.CONTROL
    yield "</s>", gguf.TokenType.CONTROL
    for byte in range(256):
        yield f"<0x{byte:02X}>", gguf.TokenType.BYTE
    yield from ((chr(code), gguf.TokenType.NORMAL) for code in range(33, 127))
    yield "▁", gguf.TokenType.NORMAL
    yield "\n\n", gguf.TokenType.USER_DEFINED
    yield from ((text, gguf.TokenType.CONTROL) for text in CONTROLS)


def _text(path: Path, template: str, architecture: str = "llama", window: int = 0) -> None:
    """A language model that reads letter by letter."""
    file = _Weights(path, architecture, seed=1)
    writer = file.writer
    writer.add_rope_dimension_sections([WIDTH // HEADS // 8] * 4)
    tokens, kinds = zip(*_vocabulary(), strict=True)
    writer.add_context_length(2048)
    writer.add_embedding_length(WIDTH)
    writer.add_block_count(LAYERS)
    writer.add_feed_forward_length(FEED)
    writer.add_head_count(HEADS)
    writer.add_head_count_kv(HEADS)
    writer.add_layer_norm_rms_eps(EPSILON)
    writer.add_rope_dimension_count(WIDTH // HEADS)
    writer.add_tokenizer_model("llama")
    writer.add_token_list(tokens)
    writer.add_token_scores([0.0] * len(tokens))
    writer.add_token_types(kinds)
    writer.add_bos_token_id(1)
    writer.add_eos_token_id(tokens.index("<|im_end|>"))
    writer.add_add_bos_token(False)
    writer.add_add_space_prefix(False)
    writer.add_chat_template(template)
    file.weight("token_embd.weight", len(tokens), WIDTH, scale=1.0)
    # So that what it says is letters: bytes and marks of roles come seldom.
    loud = [0.5 if kind == gguf.TokenType.NORMAL else 0.05 for kind in kinds]
    if window:
        writer.add_sliding_window(window)
    else:
        file.weight("output.weight", len(tokens), WIDTH, scale=np.array(loud)[:, None])
    file.norm("output_norm", bias=False)
    for layer in range(LAYERS):
        block = f"blk.{layer}"
        file.norm(f"{block}.attn_norm", bias=False)
        file.norm(f"{block}.ffn_norm", bias=False)
        for norm in ("post_attention_norm", "post_ffw_norm") if window else ():
            file.norm(f"{block}.{norm}", bias=False)
        _matrices(file, block, ("attn_q", "attn_k", "attn_v", "attn_output"))
        file.weight(f"{block}.ffn_gate.weight", FEED, WIDTH)
        file.weight(f"{block}.ffn_up.weight", FEED, WIDTH)
        file.weight(f"{block}.ffn_down.weight", WIDTH, FEED)
    file.save()


def _matrices(file: _Weights, block: str, names: Sequence[str]) -> None:
    for name in names:
        file.weight(f"{block}.{name}.weight", WIDTH, WIDTH)


def _vision(
    path: Path, projector: str, *, pixels: int, patch: int, classed: bool = False
) -> _Weights:
    """The encoder of square pictures, without what projects into the text model."""
    file = _Weights(path, "clip", seed=2)
    writer = file.writer
    writer.add_bool("clip.has_vision_encoder", True)
    writer.add_string("clip.projector_type", projector)
    writer.add_bool("clip.use_gelu", True)
    for name, value in (
        ("image_size", pixels),
        ("patch_size", patch),
        ("embedding_length", WIDTH),
        ("feed_forward_length", FEED),
        ("block_count", LAYERS),
        ("projection_dim", WIDTH),
        ("attention.head_count", HEADS),
    ):
        writer.add_uint32(f"clip.vision.{name}", value)
    writer.add_float32("clip.vision.attention.layer_norm_epsilon", EPSILON)
    writer.add_array("clip.vision.image_mean", [0.5, 0.5, 0.5])
    writer.add_array("clip.vision.image_std", [0.5, 0.5, 0.5])
    places = (pixels // patch) ** 2
    if classed:
        places += 1
        file.weight("v.class_embd", WIDTH, scale=1.0)
        file.norm("v.pre_ln", bias=True)
    file.weight("v.patch_embd.weight", WIDTH, 3, patch, patch, scale=(3 * patch**2) ** -0.5)
    file.weight("v.position_embd.weight", places, WIDTH, scale=0.1)
    file.norm("v.post_ln", bias=True)
    for layer in range(LAYERS):
        block = f"v.blk.{layer}"
        for norm in ("ln1", "ln2"):
            file.norm(f"{block}.{norm}", bias=True)
        names = ("attn_q", "attn_k", "attn_v", "attn_out")
        _matrices(file, block, names)
        for name in names:
            file.weight(f"{block}.{name}.bias", WIDTH, scale=0.1)
        # The legacy layout, in which "down" goes up: what llama.cpp expects of these projectors.
        file.weight(f"{block}.ffn_down.weight", FEED, WIDTH)
        file.weight(f"{block}.ffn_up.weight", WIDTH, FEED)
        file.weight(f"{block}.ffn_down.bias", FEED, scale=0.1)
        file.weight(f"{block}.ffn_up.bias", WIDTH, scale=0.1)
    return file
