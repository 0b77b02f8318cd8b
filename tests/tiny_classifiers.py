"""Classifiers of sound with a few thousand random weights, as transformers saves them."""

from pathlib import Path
from typing import Any

import torch
import transformers

from services.emotion.engine import SAMPLE_RATE
from services.runtime.manifest import Manifest

#: Every kind that `tiny_classifier` makes.
KINDS = ("wav2vec2", "hubert", "wavlm", "whisper")
LABELS = ("low", "middle", "high")


def tiny_classifier(
    folder: Path, kind: str = "wav2vec2", labels: tuple[str, ...] = LABELS, *, masks: bool = True
) -> Path:
    """Random weights of that kind with its feature extractor; `masks` as wav2vec2-large has them,
    and wav2vec2-base has not. Whisper's hears two seconds.
    """
    torch.manual_seed(1)
    names = {
        "id2label": dict(enumerate(labels)),
        "label2id": {label: at for at, label in enumerate(labels)},
    }
    config = _whisper(names) if kind == "whisper" else _of_waves(kind, names, masks=masks)
    model = transformers.AutoModelForAudioClassification.from_config(config)
    # As they come, random weights all but agree.
    with torch.no_grad():
        model.classifier.weight.normal_()
    model.save_pretrained(folder)
    extractor = (
        transformers.WhisperFeatureExtractor(feature_size=16, chunk_length=2)
        if kind == "whisper"
        else transformers.Wav2Vec2FeatureExtractor(
            sampling_rate=SAMPLE_RATE, do_normalize=True, return_attention_mask=masks
        )
    )
    extractor.save_pretrained(folder)
    return folder


def manifest_of(
    folder: Path, labels: tuple[str, ...] = LABELS, options: dict[str, Any] | None = None
) -> Manifest:
    """What a `model.yaml` would say of it."""
    return Manifest.model_validate(
        {
            "name": "tiny-classifier", "capability": "emotion", "engine": "wav2vec2",
            "tasks": ["classification"], "classifies": "pitch", "labels": list(labels),
            "owned_by": "us", "licence": "MIT", "memory_bytes": 10_000_000,
            "files": {
                path.name: {"sources": [{"local": str(path)}]}
                for path in folder.iterdir() if path.is_file()
            },
            "options": options or {},
        }
    )  # fmt: skip


def _of_waves(kind: str, names: dict[str, Any], *, masks: bool) -> Any:
    factory = {
        "wav2vec2": transformers.Wav2Vec2Config,
        "hubert": transformers.HubertConfig,
        "wavlm": transformers.WavLMConfig,
    }[kind]
    return factory(
        hidden_size=32, num_hidden_layers=2, num_attention_heads=2, intermediate_size=48,
        conv_dim=(16, 16, 16), conv_kernel=(10, 8, 8), conv_stride=(5, 8, 8),
        num_feat_extract_layers=3, num_conv_pos_embeddings=16, num_conv_pos_embedding_groups=2,
        classifier_proj_size=16, feat_extract_norm="layer" if masks else "group",
        do_stable_layer_norm=masks, mask_time_length=2, **names,
    )  # fmt: skip


def _whisper(names: dict[str, Any]) -> Any:
    return transformers.WhisperConfig(
        num_mel_bins=16, d_model=32, encoder_layers=2, encoder_attention_heads=2,
        encoder_ffn_dim=48, max_source_positions=100, classifier_proj_size=16, vocab_size=64,
        pad_token_id=0, bos_token_id=0, eos_token_id=0, decoder_start_token_id=0, **names,
    )  # fmt: skip
