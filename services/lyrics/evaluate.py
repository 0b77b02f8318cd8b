"""Measures every genre: `python -m services.lyrics.evaluate [--seeds 50] [--write]`.

Writes songs by one genre after the other, with the same wishes: every other one gives a first
line. `--write` puts the figures into docs/lyrics.md and the plots into docs/lyrics/.
"""

import argparse
import asyncio
from collections.abc import Iterator
from pathlib import Path

from rich.console import Console
from rich.progress import Progress

from services.lyrics.__main__ import LYRICS
from services.lyrics.genre import Genre, genre_of
from services.lyrics.measures import Song, figures
from services.lyrics.settings import LyricsSettings
from services.lyrics.song import MOODS, Line, Wish
from services.lyrics.writer import Writer
from services.runtime.context import BACKGROUND
from services.runtime.environment import settings_of
from services.runtime.llama.engine import llama
from services.runtime.llama.generation import LanguageModel
from services.runtime.registry import Registry
from services.runtime.residency.placement import CPU, Placement
from services.runtime.threads import wait_patiently

#: Songs written side by side: their candidates fill the default slots.
TOGETHER = 4
TITLES = ("Thunder in the City", "Home", "Paper Boats", "Last Train", "Gold")
THEMES = ("leaving home", "a lost friend", "the sea at night", "dancing until morning")
FIRST_LINES = (
    "I still set two cups in the morning",
    "Ain't no road too long, my friend!",
    "¿Dónde estás? I call your name",
    "3 a.m. & the radio is on…",
    'She said: "Don\'t look back" (and I did)',
)


def wishes(genre: Genre, seeds: int) -> Iterator[tuple[int, Wish]]:
    """Seeds with what is asked for, all different."""
    for seed in range(seeds):
        wish = Wish(
            genre.sections,
            genre.lines,
            "en",
            title=TITLES[seed % len(TITLES)],
            theme=THEMES[seed % len(THEMES)],
            mood=list(MOODS)[seed % len(MOODS)],
            first_line=FIRST_LINES[seed // 2 % len(FIRST_LINES)] if seed % 2 else "",
        )
        yield seed, wish


async def songs(
    model: LanguageModel, name: str, genre: Genre, adapter: str, seeds: int, progress: Progress
) -> list[Song]:
    """Writes the songs of a genre, some side by side."""
    bar = progress.add_task(name, total=seeds)
    places = asyncio.Semaphore(TOGETHER)

    async def written(seed: int, wish: Wish) -> Song:
        async with places:
            writer = Writer(
                model, genre, wish, seed=seed, level=BACKGROUND, adapter=adapter, with_logprobs=True
            )
            lines = [piece async for piece in writer.song() if isinstance(piece, Line)]
        progress.advance(bar)
        return Song(name, seed, wish, tuple(lines))

    return await asyncio.gather(*(written(seed, wish) for seed, wish in wishes(genre, seeds)))


async def evaluate(registry: Registry, settings: LyricsSettings, seeds: int) -> list[list[Song]]:
    """The songs of every genre that comes with the container or stands in the home."""
    found: list[list[Song]] = []
    engine = llama(settings)
    with Progress(console=Console(stderr=True)) as progress:
        for manifest in registry.list():
            if "lyrics" not in manifest.tasks:
                continue
            weights = registry.weights(manifest)
            place = Placement(((CPU, weights.memory_bytes),))
            model = engine.load(registry.usable(weights), registry.folder(weights), place)
            try:
                adapter = manifest.adapter
                genre = genre_of(manifest)
                found.append(await songs(model, manifest.name, genre, adapter, seeds, progress))
            finally:
                model.close()
    return found


def main() -> None:
    """See the module."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seeds", type=int, default=50, help="songs of each genre")
    parser.add_argument("--write", action="store_true", help="into docs/lyrics.md")
    options = parser.parse_args()
    wait_patiently()
    settings = settings_of(LyricsSettings)
    registry = Registry(settings.home, [LYRICS.models], LYRICS.name)
    found = asyncio.run(evaluate(registry, settings, options.seeds))
    rows = [
        figures(of_genre[0].genre, of_genre, genre_of(registry.get(of_genre[0].genre)))
        for of_genre in found
    ]
    from services.lyrics.report import table, write

    Console().print(table(rows), markup=False)
    if options.write:
        write(Path("docs"), rows, found)


if __name__ == "__main__":
    main()
