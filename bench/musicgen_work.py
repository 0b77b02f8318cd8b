"""One engine's part of `bench.musicgen`, in the interpreter that the engine runs in.

`python -m bench.musicgen_work ENGINE SIZE DEVICE` builds the model, prints its number of weights,
then makes once for every line on standard input what its JSON says, and prints the seconds.
"""

import json
import logging
import math
import sys
import time
from collections.abc import Callable
from typing import Any

import torch
import transformers

FRAMES, GUIDANCE, TOP_K = 50, 3.0, 250

#: Width, layers and heads of the decoder, and channels of the codec's first filters.
SIZES = {"small": (1024, 24, 16, 64), "tiny": (64, 2, 4, 4)}

#: Makes pieces of so many seconds together: `(batch, seconds)`.
Make = Callable[[int, float], None]


def codec(size: str, device: str) -> Any:
    """EnCodec for music: 32 kHz, four codebooks of 2,048, 50 codes a second each."""
    config = transformers.EncodecConfig(
        sampling_rate=32000, audio_channels=1, normalize=False, num_filters=SIZES[size][3],
        upsampling_ratios=[8, 5, 4, 4], codebook_size=2048, codebook_dim=128,
        target_bandwidths=[2.2], use_causal_conv=False, chunk_length_s=None,
    )  # fmt: skip
    return transformers.EncodecModel(config).to(device).eval()


def of_transformers(size: str, device: str) -> tuple[int, Make]:
    """The steps of our engine, and the codec."""
    from services.melody.musicgen.asked import Asked
    from services.melody.musicgen.windows import Window
    from services.melody.musicgen_engine import Chooser, Conditions, Decoder

    width, layers, heads, _ = SIZES[size]
    config = transformers.MusicgenDecoderConfig(
        hidden_size=width, ffn_dim=4 * width, num_hidden_layers=layers, num_attention_heads=heads
    )
    model = transformers.MusicgenForCausalLM(config).to(device).eval()
    if device == "cuda":
        model.half()
    decoder = Decoder(model, "inductor" if device == "cuda" else "")
    sounds = codec(size, device)
    wanted = Asked("", 0.0, 1, 1.0, TOP_K, 1.0, GUIDANCE, None)

    def make(batch: int, seconds: float) -> None:
        states = torch.randn(2 * batch, 1, width, device=device, dtype=model.dtype)
        mask = torch.ones(2 * batch, 1, dtype=torch.long, device=device)
        codes = decoder.blank(batch, math.ceil(seconds * FRAMES))
        chooser = Chooser(wanted, codes.device)
        conditions = Conditions(states, mask, GUIDANCE)
        for _ in decoder.write(codes, Window(0, 0, codes.shape[-1]), conditions, chooser):
            pass
        with torch.inference_mode():
            sounds.decode(codes[None], audio_scales=[None]).audio_values.cpu()

    return sum(each.numel() for each in model.parameters()), make


def of_audiocraft(size: str, device: str) -> tuple[int, Make]:
    """AudioCraft's own generation. Its description is a word in a table, as long as ours is."""
    import omegaconf
    from audiocraft.models import MusicGen, builders
    from audiocraft.models.encodec import HFEncodecCompressionModel

    width, layers, heads, _ = SIZES[size]
    config = omegaconf.OmegaConf.create(
        {
            "lm_model": "transformer_lm", "device": device,
            "dtype": "float16" if device == "cuda" else "float32",
            "transformer_lm": {
                "dim": width, "num_heads": heads, "num_layers": layers, "hidden_scale": 4,
                "n_q": 4, "card": 2048, "causal": True, "memory_efficient": True,
                "norm_first": True, "bias_proj": False, "bias_ff": False, "bias_attn": False,
            },
            "codebooks_pattern": {"modeling": "delay", "delay": {"delays": [0, 1, 2, 3]}},
            "attribute_dropout": {},
            "classifier_free_guidance": {"training_dropout": 0.2, "inference_coef": GUIDANCE},
            "fuser": {"sum": [], "prepend": [], "cross": ["description"], "input_interpolate": []},
            "conditioners": {
                "description": {
                    "model": "lut", "lut": {"n_bins": 16, "dim": width, "tokenizer": "noop"},
                },
            },
            "dataset": {"segment_duration": 30},
        }
    )  # fmt: skip
    language_model = builders.get_lm_model(config).eval()
    language_model.cfg = config
    model = MusicGen("random", HFEncodecCompressionModel(codec(size, device)), language_model)
    model.set_custom_progress_callback(lambda _done, _of: None)

    def make(batch: int, seconds: float) -> None:
        duration = (math.ceil(seconds * FRAMES) + 0.5) / FRAMES
        model.set_generation_params(duration=duration, top_k=TOP_K, cfg_coef=GUIDANCE)
        model.generate(["music"] * batch, progress=True).cpu()

    return sum(each.numel() for each in language_model.parameters()), make


def main() -> None:
    """Serves the work named on the command line."""
    engine, size, device = sys.argv[1:]
    logging.disable(logging.WARNING)
    torch.manual_seed(1)
    build = {"transformers": of_transformers, "audiocraft": of_audiocraft}[engine]
    parameters, make = build(size, device)
    print(json.dumps({"parameters": parameters}), flush=True)
    for line in sys.stdin:
        asked = json.loads(line)
        began = time.perf_counter()
        make(asked["batch"], asked["seconds"])
        print(json.dumps({"seconds": time.perf_counter() - began}), flush=True)


if __name__ == "__main__":
    main()
