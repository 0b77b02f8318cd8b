"""SDXL of some thousand random weights, with tokenizers, as diffusers saves it."""

import json
from pathlib import Path
from typing import Any

import diffusers
import torch
import transformers
import yaml

from services.runtime.manifest import Manifest

#: Tokens that a prompt may have, its two ends included.
LONGEST = 16
_END = "</w>"
_LETTERS = "abcdefghijklmnopqrstuvwxyz"
_WIDTH = 32


def tiny_sdxl(folder: Path) -> Path:
    """Random weights of SDXL's architecture, saved into a folder."""
    torch.manual_seed(1)
    tokenizer = tiny_tokenizer(folder / "vocabulary")
    unet = diffusers.UNet2DConditionModel(
        sample_size=16, block_out_channels=(8, 16), norm_num_groups=4, layers_per_block=1,
        down_block_types=("DownBlock2D", "CrossAttnDownBlock2D"),
        up_block_types=("CrossAttnUpBlock2D", "UpBlock2D"),
        attention_head_dim=(2, 4), transformer_layers_per_block=(1, 1), use_linear_projection=True,
        addition_embed_type="text_time", addition_time_embed_dim=8,
        projection_class_embeddings_input_dim=6 * 8 + _WIDTH, cross_attention_dim=2 * _WIDTH,
    )  # fmt: skip
    vae = diffusers.AutoencoderKL(
        block_out_channels=(4, 4, 8, 8), norm_num_groups=4, latent_channels=4, sample_size=64,
        down_block_types=("DownEncoderBlock2D",) * 4, up_block_types=("UpDecoderBlock2D",) * 4,
    )  # fmt: skip
    text = transformers.CLIPTextConfig(
        vocab_size=len(tokenizer), hidden_size=_WIDTH, intermediate_size=37, num_hidden_layers=2,
        num_attention_heads=4, max_position_embeddings=LONGEST, projection_dim=_WIDTH,
        bos_token_id=tokenizer.bos_token_id, eos_token_id=tokenizer.eos_token_id,
        pad_token_id=tokenizer.pad_token_id,
    )  # fmt: skip
    pipeline = diffusers.StableDiffusionXLPipeline(
        unet=unet,
        vae=vae,
        scheduler=diffusers.EulerAncestralDiscreteScheduler(timestep_spacing="trailing"),
        text_encoder=transformers.CLIPTextModel(text),
        text_encoder_2=transformers.CLIPTextModelWithProjection(text),
        tokenizer=tokenizer,
        tokenizer_2=tokenizer,
    )
    pipeline.save_pretrained(folder)
    return folder


def installed_sdxl(home: Path, name: str, **options: Any) -> tuple[Manifest, Path]:
    """A model of that name in an ORFEON_HOME, and the folder of its files."""
    folder = tiny_sdxl(home / name)
    manifest = manifest_of(folder, **options).model_copy(update={"name": name})
    entry = home / "models" / name
    entry.mkdir(parents=True)
    (entry / "model.yaml").write_text(yaml.safe_dump(manifest.model_dump(mode="json")))
    return manifest, folder


def tiny_tokenizer(folder: Path) -> Any:
    """CLIP's, whose words are letters."""
    folder.mkdir(parents=True)
    letters = [*_LETTERS, *(letter + _END for letter in _LETTERS)]
    words = ["<|startoftext|>", "<|endoftext|>", *letters]
    vocabulary = {word: number for number, word in enumerate(words)}
    (folder / "vocab.json").write_text(json.dumps(vocabulary))
    (folder / "merges.txt").write_text("#version: 0.2\n")
    return transformers.CLIPTokenizer(
        str(folder / "vocab.json"), str(folder / "merges.txt"), model_max_length=LONGEST
    )


def manifest_of(folder: Path, **options: Any) -> Manifest:
    """What a `model.yaml` would say of it."""
    return Manifest.model_validate(
        {
            "name": "tiny-sdxl", "capability": "images", "engine": "diffusers",
            "tasks": ["image-generation", "image-edit", "image-variation"], "default": True,
            "owned_by": "us", "licence": "MIT", "memory_bytes": 50_000_000,
            "files": {
                str(path.relative_to(folder)): {"sources": [{"local": str(path)}]}
                for path in sorted(folder.rglob("*")) if path.is_file()
            },
            "options": {"size": 64, "steps": 2, "guidance": 0.0, **options},
        }
    )  # fmt: skip
