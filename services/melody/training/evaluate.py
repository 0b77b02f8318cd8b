"""Judges a model: `python -m services.melody.training.evaluate --data DIR --run DIR --model DIR`.

Prints the figures of `docs/melody.md` and draws its pictures.
"""

import json
import time
from pathlib import Path
from typing import Annotated

import numpy as np
import typer
from rich.console import Console

from services.melody.engine import MelodyRequest, Section
from services.melody.mood import MOODS
from services.melody.tokens import Vocabulary
from services.melody.training import plots
from services.melody.training.controls import Scale
from services.melody.training.copying import Known, steps
from services.melody.training.examples import Corpus, Examples
from services.melody.training.likelihood import likelihoods
from services.melody.training.pieces import Band, Written, on_scale, sums
from services.melody.training.run import HISTORY, trained
from services.melody.training.separability import pieces_of, told
from services.melody.training.statistics import habits, similarity

#: A song as lyrics make one.
_VERSE, _CHORUS = Section("verse", (8, 7, 8, 7)), Section("chorus", (6, 6, 8, 6))
_SONG = (
    _VERSE, _CHORUS, Section("verse", (8, 8, 8, 7)), _CHORUS, Section("bridge", (9, 9)), _CHORUS,
)  # fmt: skip


def main(
    data: Annotated[Path, typer.Option(help="Folder of the corpora.")],
    run: Annotated[Path, typer.Option(help="Folder of the training.")],
    model: Annotated[Path, typer.Option(help="Folder of the model.")],
    pictures: Annotated[Path, typer.Option(help="Where to draw.")] = Path("docs/melody"),
    seeds: Annotated[int, typer.Option(help="Pieces judged by key and meter.")] = 100,
    each: Annotated[int, typer.Option(help="Pieces for each genre and mood.")] = 20,
) -> None:
    """See the module."""
    pictures.mkdir(parents=True, exist_ok=True)
    console = Console(width=120)
    corpus, band = Corpus.read(data), Band(model)
    _foreseen(corpus, run, pictures, console)
    written = [band.write(_request(seed, band)) for seed in range(seeds)]
    _consistent(written, console)
    _alike(corpus, written, pictures, console)
    _copied(corpus, written, console)
    _told(band, each, pictures, console)
    for seed, genre in enumerate(("pop", "jazz", "reggae")):
        piece = band.write(MelodyRequest(seed, genre=genre, sections=_SONG))
        plots.roll(piece, pictures / f"roll-{genre}.png")
    _timed(band, console)


def _request(seed: int, band: Band) -> MelodyRequest:
    """Every genre in turn, every other piece sung."""
    genres = list(band.genres)
    sung = seed // len(genres) % 2 == 1
    return MelodyRequest(
        seed,
        genre=genres[seed % len(genres)],
        sections=_SONG if sung else (),
        seconds=None if sung else 60.0,
    )


def _foreseen(corpus: Corpus, run: Path, pictures: Path, console: Console) -> None:
    vocabulary, scale = Vocabulary.full(), Scale(corpus.songs)
    known = Examples(corpus.songs, corpus.grooves, scale, vocabulary)
    held_out = Examples(corpus.held_out_songs, corpus.held_out_grooves, scale, vocabulary)
    found = likelihoods(trained(run), known, held_out, vocabulary)
    for each in found:
        console.print(
            f"{each.what}: {each.tokens} held-out tokens, network {each.network:.3f} nats a token, "
            f"n-grams {' '.join(f'{loss:.3f}' for loss in each.ngrams)}, best of order {each.best}"
        )
    history = json.loads((run / HISTORY).read_text("utf-8"))
    weights = [each.tokens for each in found]
    baseline = np.average([min(each.ngrams) for each in found], weights=weights)
    plots.losses(history, float(baseline), pictures / "losses.png")


def _consistent(written: list[Written], console: Console) -> None:
    for part in ("lead", "chords", "bass"):
        shares = np.array([on_scale(piece, part) for piece in written])
        console.print(
            f"{part}: on the scale {shares.mean():.4f} of durations, least of {len(written)} "
            f"pieces {shares.min():.4f}"
        )
    whole = sum(sums(piece) for piece in written)
    console.print(f"pieces of which every bar sums: {whole} of {len(written)}")


def _alike(corpus: Corpus, written: list[Written], pictures: Path, console: Console) -> None:
    songs = habits([song.bars for song in corpus.songs])
    for what, leads in (
        ("held out", [song.bars for song in corpus.held_out_songs]),
        ("written", [piece.lead_bars() for piece in written]),
    ):
        apart = songs.distance(habits(leads))
        console.print(f"from the corpus, {what}:", {k: round(v, 3) for k, v in apart.items()})
    plots.habits(songs, habits([piece.lead_bars() for piece in written]), pictures / "habits.png")
    sung = next(piece for piece in written if piece.passages[0].lines)
    song = corpus.held_out_songs[0]
    plots.similarities(
        {
            f"written: {sung.plan.genre}": similarity(sung.lead_bars()),
            f"POP909, song {song.name}": similarity(song.bars),
        },
        pictures / "similarity.png",
    )


def _copied(corpus: Corpus, written: list[Written], console: Console) -> None:
    known = Known([steps(song.bars) for song in corpus.songs])
    for what, leads in (
        ("written", [piece.lead_bars() for piece in written]),
        ("held-out songs", [song.bars for song in corpus.held_out_songs]),
    ):
        longest = np.array([known.longest(steps(bars)) for bars in leads])
        console.print(
            f"longest run of a training song in {what}: median {np.median(longest):.0f} notes, "
            f"95 % {np.quantile(longest, 0.95):.0f}, most {longest.max()}"
        )


def _told(band: Band, each: int, pictures: Path, console: Console) -> None:
    moods = [mood for mood in MOODS if mood]
    for what, labels, request in (
        ("genre", list(band.genres), lambda seed, label: MelodyRequest(seed, genre=label)),
        ("mood", moods, lambda seed, label: MelodyRequest(seed, genre="pop", mood=label)),
    ):
        found = told(pieces_of(band, labels, request, each))
        console.print(
            f"{what}: told right {found.accuracy:.2f}, without the tempo {found.blind:.2f}, "
            f"chance {1 / len(found.labels):.2f}"
        )
        plots.confusion(found.labels, found.confusion, what, pictures / f"{what}s.png")


def _timed(band: Band, console: Console) -> None:
    for seconds in (30.0, 180.0):
        taken = []
        for seed, genre in enumerate(band.genres):
            start = time.process_time()
            band.write(MelodyRequest(seed, genre=genre, seconds=seconds))
            taken.append(time.process_time() - start)
        console.print(
            f"composing {seconds:g} s: mean {np.mean(taken):.2f} s of one core, "
            f"slowest genre {max(taken):.2f} s"
        )


if __name__ == "__main__":
    typer.run(main)
