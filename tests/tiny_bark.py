"""Bark of a few thousand random weights, with tokeniser and voices, as transformers saves it."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
import transformers
from tokenizers import Tokenizer
from tokenizers.models import WordPiece
from tokenizers.normalizers import BertNormalizer
from tokenizers.pre_tokenizers import BertPreTokenizer
from transformers.models.bark.generation_configuration_bark import BarkGenerationConfig

from services.runtime.manifest import Manifest

RATE = 24000
VOICES = ("v2/en_speaker_0", "v2/en_speaker_1", "v2/es_speaker_0", "v2/zh_speaker_9")
#: Tokens of meaning, of sound in each codebook, and of text that are read at once.
SEMANTIC, CODES, TEXT = 20, 16, 32
#: Frames of sound a second, and tokens of meaning.
FRAMES, MEANINGS = 75, 50
_SPECIAL = ("[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]")
_LETTERS = tuple("abcdefghijklmnopqrstuvwxyz.,!?'")


def tiny_bark(folder: Path, *, voices: Sequence[str] = VOICES, rate: int = RATE) -> Path:
    """Random weights of Bark's architecture, saved into a folder. A phrase is a second at most."""
    torch.manual_seed(1)
    vocabulary = {token: at for at, token in enumerate(_vocabulary())}
    text_pad = SEMANTIC + 4 + len(vocabulary)
    size = {"hidden_size": 16, "num_layers": 1, "num_heads": 2, "block_size": 256, "dropout": 0.0}
    coarse = SEMANTIC + 2 * CODES
    config = transformers.BarkConfig(
        semantic_config={
            **size, "input_vocab_size": text_pad + 2, "output_vocab_size": SEMANTIC + 4,
        },
        coarse_acoustics_config={
            **size, "input_vocab_size": coarse + 2, "output_vocab_size": coarse + 2,
        },
        fine_acoustics_config={
            **size, "input_vocab_size": CODES + 1, "output_vocab_size": CODES + 1,
        },
        codec_config=_codec(rate).to_dict(),
    )  # fmt: skip
    model = transformers.BarkModel(config)
    # As they come, random weights all but agree, and every code sounds the same: like nothing.
    with torch.no_grad():
        for name, values in model.named_parameters():
            if values.ndim == 2 and not name.startswith("codec_model."):
                values.mul_(8)
        for layer in model.codec_model.quantizer.layers:
            layer.codebook.embed.normal_()
    model.save_pretrained(folder)
    generation = BarkGenerationConfig(
        semantic_config={
            "do_sample": True, "temperature": 0.7, "eos_token_id": SEMANTIC,
            "max_new_tokens": MEANINGS, "text_encoding_offset": SEMANTIC + 4,
            "text_pad_token": text_pad, "semantic_infer_token": text_pad + 1,
            "semantic_vocab_size": SEMANTIC, "max_input_semantic_length": TEXT,
            "semantic_rate_hz": MEANINGS,
        },
        coarse_acoustics_config={
            "do_sample": True, "temperature": 0.7, "coarse_rate_hz": FRAMES,
            "coarse_semantic_pad_token": coarse, "coarse_infer_token": coarse + 1,
            "max_coarse_input_length": TEXT, "max_coarse_history": 60, "sliding_window_len": 30,
        },
        fine_acoustics_config={
            "temperature": 0.5, "max_fine_history_length": 16, "max_fine_input_length": 32,
        },
        sample_rate=rate,
        codebook_size=CODES,
    )  # fmt: skip
    (folder / "generation_config.json").write_text(json.dumps(generation.to_dict()))
    tokenizer = Tokenizer(WordPiece(vocabulary, unk_token="[UNK]"))
    tokenizer.normalizer = BertNormalizer(lowercase=False)
    tokenizer.pre_tokenizer = BertPreTokenizer()
    transformers.BertTokenizer(tokenizer_object=tokenizer).save_pretrained(folder)
    _save_voices(folder, voices)
    return folder


def bark_manifest(
    folder: Path, *, voices: Sequence[str] = VOICES, engine: str = "bark", **options: Any
) -> Manifest:
    """What a `model.yaml` would say of it."""
    return Manifest.model_validate(
        {
            "name": "tiny-bark", "capability": "speech", "engine": engine, "tasks": ["speech"],
            "owned_by": "us", "licence": "MIT", "memory_bytes": 10_000_000,
            "languages": ["en", "es", "zh"], "voices": list(voices),
            "files": {
                str(path.relative_to(folder)): {"sources": [{"local": str(path)}]}
                for path in folder.rglob("*") if path.is_file()
            },
            "options": options,
        }
    )  # fmt: skip


def _vocabulary() -> list[str]:
    return [*_SPECIAL, *_LETTERS, *(f"##{letter}" for letter in _LETTERS)]


def _codec(rate: int) -> Any:
    """EnCodec's, as a configuration: eight codebooks of 4 bits, a frame for 320 samples."""
    return transformers.EncodecConfig(
        sampling_rate=rate, audio_channels=1, normalize=False, num_filters=4, hidden_size=16,
        upsampling_ratios=[8, 5, 4, 2], codebook_size=CODES, codebook_dim=16, num_lstm_layers=1,
        target_bandwidths=[8 * 4 * -(-rate // 320) / 1000], chunk_length_s=None,
    )  # fmt: skip


def _save_voices(folder: Path, voices: Sequence[str]) -> None:
    """Three arrays for each voice, and where they lie, as the processor of Bark saves them."""
    numbers = np.random.default_rng(7)
    places: dict[str, Any] = {"repo_or_path": "suno/bark"}
    for voice in voices:
        arrays = {
            "semantic_prompt": numbers.integers(0, SEMANTIC, 40),
            "coarse_prompt": numbers.integers(0, CODES, (2, 60)),
            "fine_prompt": numbers.integers(0, CODES, (8, 60)),
        }
        places[voice] = {}
        for kind, values in arrays.items():
            place = f"speaker_embeddings/{voice}_{kind}.npy"
            (folder / place).parent.mkdir(parents=True, exist_ok=True)
            np.save(folder / place, values)
            places[voice][kind] = place
    (folder / "speaker_embeddings_path.json").write_text(json.dumps(places))
