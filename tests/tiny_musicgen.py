"""MusicGen of a few thousand random weights, with tokeniser, as transformers saves it."""

from pathlib import Path
from typing import Any

import torch
import transformers
import yaml

from services.runtime.manifest import Manifest

#: Samples per second, and codes per second.
RATE, FRAMES = 1600, 25
VOCABULARY = 64
SPECIAL = ("<pad>", "</s>", "<unk>")
WORDS = ("music", "sad", "happy", "rock", "120", "bpm", "C", "major")


def tiny_musicgen(folder: Path, *, melody: bool = False, channels: int = 1) -> Path:
    """Random weights of MusicGen's architecture, or MusicGen Melody's, saved into a folder."""
    torch.manual_seed(1)
    decoder = {
        "vocab_size": VOCABULARY, "pad_token_id": VOCABULARY, "bos_token_id": VOCABULARY,
        "hidden_size": 32, "ffn_dim": 64, "num_hidden_layers": 2, "num_attention_heads": 2,
        "num_codebooks": 4 * channels, "audio_channels": channels, "max_position_embeddings": 1024,
    }  # fmt: skip
    parts = {"text_encoder": tiny_text_encoder(), "audio_encoder": tiny_codec()}
    if melody:
        config = transformers.MusicgenMelodyConfig(
            **parts, decoder=transformers.MusicgenMelodyDecoderConfig(**decoder), chroma_length=16
        )
        model = transformers.MusicgenMelodyForConditionalGeneration(config)
    else:
        config = transformers.MusicgenConfig(
            **parts, decoder=transformers.MusicgenDecoderConfig(**decoder)
        )
        model = transformers.MusicgenForConditionalGeneration(config)
    # As they come, random weights all but agree, and every code sounds the same: like nothing.
    with torch.no_grad():
        for name, values in model.named_parameters():
            if values.ndim == 2 and not name.startswith("audio_encoder."):
                values.mul_(8)
        for layer in model.audio_encoder.quantizer.layers:
            layer.codebook.embed.normal_()
    model.generation_config.decoder_start_token_id = VOCABULARY
    model.generation_config.pad_token_id = VOCABULARY
    model.save_pretrained(folder)
    tiny_tokenizer().save_pretrained(folder)
    return folder


def installed_musicgen(
    home: Path, name: str, *, triton_model: str, melody: bool = False
) -> tuple[Manifest, Path]:
    """A model of that name in an ORFEON_HOME, and the folder of its files."""
    folder = tiny_musicgen(home / name, melody=melody)
    manifest = manifest_of(folder, triton_model=triton_model, window_seconds=4, overlap_seconds=2)
    manifest = manifest.model_copy(update={"name": name})
    entry = home / "models" / name
    entry.mkdir(parents=True)
    (entry / "model.yaml").write_text(yaml.safe_dump(manifest.model_dump(mode="json")))
    return manifest, folder


def manifest_of(folder: Path, engine: str = "musicgen", **options: Any) -> Manifest:
    """What a `model.yaml` would say of it."""
    return Manifest.model_validate(
        {
            "name": "tiny-musicgen", "capability": "melody", "engine": engine, "tasks": ["music"],
            "owned_by": "us", "licence": "MIT", "memory_bytes": 10_000_000,
            "files": {
                path.name: {"sources": [{"local": str(path)}]}
                for path in folder.iterdir() if path.is_file()
            },
            "options": options,
        }
    )  # fmt: skip


def tiny_text_encoder() -> Any:
    """T5's, as a configuration."""
    return transformers.T5Config(
        vocab_size=len(SPECIAL + WORDS), d_model=24, d_kv=12, d_ff=32, num_layers=1, num_heads=2,
        pad_token_id=0, eos_token_id=1,
    )  # fmt: skip


def tiny_codec() -> Any:
    """EnCodec's, as a configuration: four codebooks."""
    return transformers.EncodecConfig(
        sampling_rate=RATE, audio_channels=1, normalize=False, num_filters=4, hidden_size=16,
        upsampling_ratios=[8, 8], codebook_size=VOCABULARY, codebook_dim=16, num_lstm_layers=1,
        # Four codebooks of 6 bits each.
        target_bandwidths=[4 * 6 * FRAMES / 1000], use_causal_conv=False, chunk_length_s=None,
    )  # fmt: skip


def tiny_tokenizer() -> Any:
    """T5's, of a few words."""
    pieces = [(word, 0.0) for word in SPECIAL] + [(f"▁{word}", -2.0) for word in WORDS]
    return transformers.T5Tokenizer(vocab=pieces, extra_ids=0)
