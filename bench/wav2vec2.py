"""wav2vec2 of random weights, as large as the published base: how many clips a second it tells.

What a model says does not matter to how long it takes. 32 bits, 16 bits (as the engine computes on
a GPU) and 16 bits compiled by inductor, in turns, at several batches. A CPU computes in 32 alone.

    python -m bench.wav2vec2 [--size base|tiny] [--batch 1 ... 64] [--seconds 3] [--rounds 5]
"""

import argparse
import statistics
import sys
import time
from collections.abc import Callable, Sequence

import torch
import transformers

from bench.report import Figure, print_figures, spread

RATE = 16_000
LABELS = 6
BATCHES = (1, 2, 4, 8, 16, 32, 64)

#: Classifies a batch of clips, shape `(clips, samples)`, and waits until it is done.
Classify = Callable[[torch.Tensor], None]


def config_of(size: str) -> transformers.Wav2Vec2Config:
    """The published base is what the class stands for by default."""
    if size == "base":
        return transformers.Wav2Vec2Config(num_labels=LABELS)
    return transformers.Wav2Vec2Config(
        num_labels=LABELS, hidden_size=64, num_hidden_layers=2, num_attention_heads=2,
        intermediate_size=128, conv_dim=(32,) * 7, classifier_proj_size=32,
        num_conv_pos_embedding_groups=4,
    )  # fmt: skip


def ways(size: str, device: str) -> tuple[int, dict[str, Classify]]:
    """The number of weights, and every way to compute with them on that device."""
    torch.manual_seed(1)
    network = transformers.Wav2Vec2ForSequenceClassification(config_of(size)).to(device).eval()
    weights = sum(each.numel() for each in network.parameters())
    if device == "cpu":
        return weights, {"32 bits": _classify(network)}
    half = transformers.Wav2Vec2ForSequenceClassification(network.config).to(device).half().eval()
    return weights, {
        "32 bits": _classify(network),
        "16 bits": _classify(half),
        "16 bits, compiled": _classify(torch.compile(half)),
    }


def measure(
    size: str, device: str, batches: Sequence[int], seconds: float, rounds: int
) -> list[Figure]:
    """Clips a second of every way at every batch."""
    weights, classifying = ways(size, device)
    figures = [Figure("weights", weights / 1e6, "M")]
    for batch in batches:
        clips = 0.1 * torch.randn(batch, round(seconds * RATE), device=device)
        taken: dict[str, list[float]] = {way: [] for way in classifying}
        for classify in classifying.values():
            classify(clips)  # What is compiled and chosen, once.
        for at in range(rounds):
            for way in list(classifying)[:: 1 if at % 2 else -1]:
                began = time.perf_counter()
                classifying[way](clips)
                taken[way].append(time.perf_counter() - began)
        for way, times in taken.items():
            rates = [batch / each for each in times]
            name = f"{way}, batch {batch}, clips of {seconds:g} s"
            figures.append(Figure(name, statistics.median(rates), "clips/s", note=spread(rates)))
    return figures


def _classify(network: Callable[[torch.Tensor], object]) -> Classify:
    dtype = next(network.parameters()).dtype  # type: ignore[attr-defined]

    def classify(clips: torch.Tensor) -> None:
        with torch.inference_mode():
            # What was computed is fetched, as for an answer: so a GPU is waited for.
            network(clips.to(dtype)).logits.float().cpu()  # type: ignore[attr-defined]

    return classify


def main(arguments: Sequence[str] = ()) -> None:
    """Measures and prints."""
    device = "cuda" if torch.cuda.is_available() else "cpu"
    parser = argparse.ArgumentParser(
        prog="python -m bench wav2vec2", description=str(__doc__).partition("\n")[0]
    )
    parser.add_argument("--size", choices=["base", "tiny"], default="base")
    batches = BATCHES if device == "cuda" else (1, 4)
    parser.add_argument("--batch", type=int, nargs="+", default=batches)
    parser.add_argument("--seconds", type=float, default=3.0)
    parser.add_argument("--rounds", type=int, default=5)
    asked = parser.parse_args(arguments)
    figures = measure(asked.size, device, asked.batch, asked.seconds, asked.rounds)
    print_figures(f"wav2vec2 {asked.size}, random weights, {device}", figures)


if __name__ == "__main__":
    main(sys.argv[1:])
