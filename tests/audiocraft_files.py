"""What AudioCraft's tests load: run by AudioCraft's own interpreter, in the folder to fill.

`en_core_web_sm/`, where spaCy looks for the pipeline that `debug` models read words with; and
`checkpoint/`, a stereo melody model of random weights in the format of the published ones.
"""

from pathlib import Path
from typing import Any

import omegaconf
import spacy
import torch
import transformers
from audiocraft.models import builders
from audiocraft.modules.conditioners import T5Conditioner
from demucs.htdemucs import HTDemucs

from tests.tiny_musicgen import RATE, VOCABULARY, tiny_codec, tiny_text_encoder, tiny_tokenizer

#: Demucs keeps it under this name, wherever it comes from.
DEMUCS = "955717e8-8726e21a.th"
SOURCES = ["drums", "bass", "other", "vocals"]


def config(folder: Path) -> Any:
    """As AudioCraft writes it into a checkpoint, of all that is needed to build the model again."""
    return omegaconf.OmegaConf.create(
        {
            "lm_model": "transformer_lm",
            "device": "cpu",
            "dtype": "float32",
            "transformer_lm": {
                "dim": 32, "num_heads": 4, "num_layers": 2, "hidden_scale": 2, "n_q": 8,
                "card": VOCABULARY, "causal": True, "memory_efficient": True, "norm_first": True,
            },
            "codebooks_pattern": {
                "modeling": "delay", "delay": {"delays": [0, 0, 1, 1, 2, 2, 3, 3]},
            },
            "attribute_dropout": {},
            "classifier_free_guidance": {"training_dropout": 0.2, "inference_coef": 3.0},
            "fuser": {
                "sum": [], "prepend": ["self_wav", "description"], "cross": [],
                "input_interpolate": [],
            },
            "conditioners": {
                "self_wav": {
                    "model": "chroma_stem",
                    "chroma_stem": {
                        "sample_rate": RATE, "n_chroma": 12, "radix2_exp": 8, "argmax": True,
                        "match_len_on_eval": False, "eval_wavs": None, "n_eval_wavs": 100,
                        "cache_path": "/nowhere/any/more",
                    },
                },
                "description": {
                    "model": "t5",
                    "t5": {
                        "name": str(folder / "t5"), "finetune": False, "word_dropout": 0.2,
                        "normalize_text": False,
                    },
                },
                "args": {"merge_text_conditions_p": 0.25, "drop_desc_p": 0.5},
            },
            # Longer than the 18 s that MusicGen goes on by unless told otherwise.
            "dataset": {"segment_duration": 20},
            "interleave_stereo_codebooks": {"use": True, "per_timestep": False},
        }
    )  # fmt: skip


def write_checkpoint(folder: Path) -> None:
    """Random weights, and beside them what the checkpoint only names."""
    torch.manual_seed(1)
    (folder / "checkpoints").mkdir(parents=True)
    text_encoder = transformers.T5EncoderModel(tiny_text_encoder())
    text_encoder.save_pretrained(folder / "t5")
    tiny_tokenizer().save_pretrained(folder / "t5")
    codec = transformers.EncodecModel(tiny_codec())
    for layer in codec.quantizer.layers:
        layer.codebook.embed.normal_()
    codec.save_pretrained(folder / "encodec")
    stems = {"sources": SOURCES, "channels": 8, "t_layers": 1, "segment": 4}
    model = HTDemucs(**stems)
    torch.save(
        {"klass": HTDemucs, "args": [], "kwargs": stems, "state": model.state_dict()},
        folder / "checkpoints" / DEMUCS,
    )
    torch.hub.set_dir(str(folder))
    made = config(folder)
    T5Conditioner.MODELS.append(str(folder / "t5"))
    T5Conditioner.MODELS_DIMS[str(folder / "t5")] = text_encoder.config.d_model
    written = made.copy()
    written.conditioners.self_wav.chroma_stem.cache_path = None
    language_model = builders.get_lm_model(written)
    # As they come, random weights all but agree, whatever they are asked.
    with torch.no_grad():
        for values in language_model.parameters():
            if values.ndim == 2:
                values.mul_(8)
    # In the published ones it is a name, which nobody could look up here.
    made.conditioners.description.t5.name = "t5-base"
    torch.save(
        {
            "best_state": language_model.state_dict(),
            "xp.cfg": omegaconf.OmegaConf.to_yaml(made),
            "version": "1.3.0",
            "exported": True,
        },
        folder / "state_dict.bin",
    )


if __name__ == "__main__":
    spacy.blank("en").to_disk("en_core_web_sm")
    write_checkpoint(Path("checkpoint").resolve())
