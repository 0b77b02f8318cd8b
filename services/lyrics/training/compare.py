"""Whether adapters help: `python -m services.lyrics.training.compare FOLDER... --unseen TABLE`.

Each folder is one that `orfeon train lyrics --method lora` made, with its `work` still there. What
the base makes of held-out songs, and of songs by artists whom nobody trained on, is compared with
what it makes of them with the adapter; and both write songs from the same seeds.
"""

import asyncio
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import numpy as np
import typer
from rich.console import Console
from rich.progress import Progress, track

from services.lyrics.__main__ import LYRICS
from services.lyrics.evaluate import songs as written_songs
from services.lyrics.genre import Genre, genre_of
from services.lyrics.measures import Figures, figures
from services.lyrics.report import markdown
from services.lyrics.settings import LyricsSettings
from services.lyrics.training import weights
from services.lyrics.training.base import WEIGHTS, find
from services.lyrics.training.errors import TrainingError
from services.lyrics.training.passages import Passage, Passages, passages, spread
from services.lyrics.training.recipe import Recipe
from services.lyrics.training.served import Served, perplexity
from services.lyrics.training.songs import songs
from services.runtime.environment import settings_of
from services.runtime.llama.engine import llama
from services.runtime.manifest import ADAPTER, Manifest, read_manifest
from services.runtime.registry import Registry
from services.runtime.residency.placement import CPU, Placement


@dataclass(frozen=True, slots=True)
class Trained:
    """An adapter, and what it is to be judged by."""

    name: str
    adapter: Path
    genre: Genre
    recipe: Recipe
    held_out: list[Passage]
    unseen: list[Passage]


def trained(folder: Path, table: Path, wanted: int, registry: Registry) -> Trained:
    """What `folder` holds, with `wanted` passages of each kind. Raises `TrainingError`."""
    recipe = Recipe.load(folder / "work" / "recipe.json")
    genre = genre_of(read_manifest(folder / "model.yaml"))
    held_out = Passages(folder / "work", "held-out")
    reader = weights.reader(find(recipe.base, registry))
    unseen = [
        Passage(np.array([*prompt, *passage], np.uint32), len(prompt))
        for number, song in enumerate(songs(table, recipe.genre, recipe.language, lambda _: None))
        for prompt, passage in passages(
            song, number, reader, genre, language=recipe.language or "en", length=recipe.length
        )
    ]
    return Trained(
        folder.name,
        folder / ADAPTER,
        genre,
        recipe,
        spread(held_out, wanted),
        spread(unseen, wanted),
    )


def perplexities(base: Path, every: list[Trained], console: Console) -> list[list[str]]:
    """A row for each adapter: on the held-out songs of each genre, then on unseen artists."""
    rows = [["base, without"], *([one.name] for one in every)]
    adapters = [None, *(one.adapter for one in every)]
    length = max(one.recipe.length for one in every)
    for row, adapter in track(list(zip(rows, adapters, strict=True)), "Reading", console=console):
        with Served(base, adapter, length) as served:
            row += [f"{perplexity(served, one.held_out):.2f}" for one in every]
            row += [f"{perplexity(served, one.unseen):.2f}" for one in every]
    return rows


async def sung(base: Manifest, folder: Path, every: list[Trained], seeds: int) -> list[Figures]:
    """Figures of the songs of each genre, without its adapter and with it."""
    adapters = {one.name: str(one.adapter) for one in every}
    manifest = base.model_copy(update={"options": base.options | {"adapters": adapters}})
    place = Placement(((CPU, base.memory_bytes),))
    model = llama(settings_of(LyricsSettings)).load(manifest, folder, place)
    found: list[Figures] = []
    try:
        with Progress(console=Console(stderr=True)) as progress:
            for one in every:
                for adapter, label in (
                    ("", f"{one.name}, without"),
                    (one.name, f"{one.name}, with"),
                ):
                    of_genre = await written_songs(
                        model, label, one.genre, adapter, seeds, progress
                    )
                    found.append(figures(label, of_genre, one.genre))
    finally:
        model.close()
    return found


def compare(
    folders: Annotated[list[Path], typer.Argument(help="Trained adapters, of one base.")],
    unseen: Annotated[Path, typer.Option(help="Table of songs by artists nobody trained on.")],
    passages: Annotated[int, typer.Option(help="Passages of each kind.")] = 48,
    seeds: Annotated[int, typer.Option(help="Songs of each kind.")] = 20,
) -> None:
    """Measure what adapters change: perplexity, variety and repetition."""
    console = Console(stderr=True)
    weights.quiet()
    settings = settings_of(LyricsSettings)
    registry = Registry(settings.home, [LYRICS.models], LYRICS.name)
    every = [trained(folder, unseen, passages, registry) for folder in folders]
    base = registry.get(every[0].recipe.base)
    where = registry.folder(base)
    names = [one.name for one in every]
    header = ["", *(f"{name}, held out" for name in names), *(f"{name}, unseen" for name in names)]
    text = markdown(header, perplexities(where / WEIGHTS, every, console))
    text += "\n\n" + markdown(
        ["", "distinct-1", "distinct-2", "lines repeated", "pairs that rhyme", "syllables a line"],
        [
            [
                row.genre, f"{row.distinct_1:.3f}", f"{row.distinct_2:.3f}",
                f"{row.repetition:.1%}", f"{row.rhyme:.0%}", f"{row.syllables:.1f}",
            ]
            for row in asyncio.run(sung(base, where, every, seeds))
        ],
    )  # fmt: skip
    typer.echo(text)


if __name__ == "__main__":
    try:
        typer.run(compare)
    except TrainingError as error:
        sys.exit(f"orfeon: {error}")
