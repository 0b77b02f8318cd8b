"""Trains the composer's network: `python -m services.melody.training --data DIR --output DIR`.

DIR of the data holds `pop909` and `groove`. The output holds the checkpoint, from which the same
command goes on, and at the end `composer.onnx` and `vocabulary.json`, what the model serves from.
"""

from pathlib import Path
from typing import Annotated

import torch
import typer
from rich.console import Console

from services.melody.tokens import Vocabulary
from services.melody.training.controls import Scale
from services.melody.training.examples import Corpus, Examples
from services.melody.training.network import Shape
from services.melody.training.run import Recipe, Run


def main(
    data: Annotated[Path, typer.Option(help="Folder of the corpora.")],
    output: Annotated[Path, typer.Option(help="Folder of the training.")],
    steps: Annotated[int, typer.Option(help="Updates of the weights.")] = Recipe().steps,
    batch: Annotated[int, typer.Option(help="Sequences of a step.")] = Recipe().batch,
    width: Annotated[int, typer.Option()] = 256,
    layers: Annotated[int, typer.Option()] = 4,
    every: Annotated[int, typer.Option(help="Steps between checkpoints.")] = Recipe().every,
    threads: Annotated[int, typer.Option()] = 1,
    seed: Annotated[int, typer.Option()] = 0,
) -> None:
    """See the module."""
    console = Console()
    torch.set_num_threads(threads)
    with console.status("Reading the corpora"):
        corpus = Corpus.read(data)
    vocabulary, scale = Vocabulary.full(), Scale(corpus.songs)
    examples = Examples(corpus.songs, corpus.grooves, scale, vocabulary)
    held_out = Examples(corpus.held_out_songs, corpus.held_out_grooves, scale, vocabulary)
    run = Run(
        Shape(len(vocabulary), width, layers),
        Recipe(steps=steps, batch=batch, every=every, seed=seed),
        output,
    )
    size = sum(weights.numel() for weights in run.network.parameters())
    console.print(
        f"{len(corpus.songs)} songs and {len(corpus.grooves)} grooves, {size:,} parameters"
    )
    run.train(
        examples,
        held_out,
        lambda losses: console.print(
            f"step {losses['step']:.0f}: loss {losses['train']:.3f}, "
            f"held out {losses['held_out']:.3f}"
        ),
    )


if __name__ == "__main__":
    typer.run(main)
