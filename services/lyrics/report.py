"""Writes the figures of songs into docs/lyrics.md, between markers, and plots beside it."""

import re
from collections.abc import Callable, Sequence
from pathlib import Path

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from services.lyrics.measures import Figures, Song, distinct, perplexity

_PLOTS = """![Variety by genre](lyrics/variety.png)
![Syllables and perplexity by genre](lyrics/lines.png)"""
_BLOCK = re.compile(r"(<!-- begin (\w+) -->\n).*?(<!-- end -->)", re.DOTALL)
_COLUMNS: dict[str, Callable[[Figures], str]] = {
    "genre": lambda row: row.genre,
    "songs": lambda row: str(row.songs),
    "valid": lambda row: f"{row.valid:.0%}",
    "first line kept": lambda row: f"{row.first_line:.0%}",
    "most equal lines in a row": lambda row: str(row.loop),
    "lines repeated": lambda row: f"{row.repetition:.1%}",
    "distinct-1": lambda row: f"{row.distinct_1:.2f}",
    "distinct-2": lambda row: f"{row.distinct_2:.2f}",
    "pairs that rhyme": lambda row: f"{row.rhyme:.0%}",
    "syllables a line": lambda row: f"{row.syllables:.1f}",
    "perplexity": lambda row: f"{row.perplexity:.1f}",
}


def table(rows: Sequence[Figures]) -> str:
    """The figures as a table in Markdown, a genre a column."""
    header, *cells = [[name, *(value(row) for row in rows)] for name, value in _COLUMNS.items()]
    return markdown(header, cells)


def markdown(header: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """A table in Markdown."""
    first, *rest = [f"| {' | '.join(row)} |" for row in (header, *rows)]
    return "\n".join([first, "|---" * len(header) + "|", *rest])


def song(sample: Song) -> str:
    """A song as it was written, in a block of its own."""
    parts: list[str] = []
    for at in range(len(sample.wish.sections)):
        lines = [line for line in sample.lines if line.section == at]
        parts += [f"[{sample.wish.sections[at].capitalize()}]", *(line.text for line in lines), ""]
    return "\n".join(["```text", *parts[:-1], "```"])


def write(docs: Path, rows: Sequence[Figures], songs: Sequence[Sequence[Song]]) -> None:
    """Fills the blocks of `docs`/lyrics.md and draws the plots."""
    page = docs / "lyrics.md"
    blocks = {
        "figures": table(rows),
        "plots": _PLOTS,
        # The first of each genre: not the best of many.
        "samples": "\n\n".join(
            f"{of_genre[0].genre}, seed {of_genre[0].seed}:\n\n{song(of_genre[0])}"
            for of_genre in songs
        ),
    }
    text = page.read_text("utf-8")
    page.write_text(
        _BLOCK.sub(lambda match: f"{match[1]}{blocks[match[2]]}\n{match[3]}", text), "utf-8"
    )
    folder = docs / "lyrics"
    folder.mkdir(exist_ok=True)
    names = [row.genre for row in rows]
    variety = Figure(figsize=(8, 3), layout="constrained")
    for axes, n in zip(variety.subplots(1, 2, sharey=True), (1, 2), strict=True):
        _boxes(axes, names, [[distinct(one, n) for one in many] for many in songs], f"distinct-{n}")
    variety.savefig(folder / "variety.png", dpi=120)
    lines = Figure(figsize=(8, 3), layout="constrained")
    left, right = lines.subplots(1, 2)
    counts = [[line.syllables for one in many for line in one.written] for many in songs]
    left.hist(counts, bins=range(1, 24), label=names, density=True)
    left.set(xlabel="syllables a line", ylabel="share of lines")
    left.legend()
    _boxes(right, names, [[perplexity([one]) for one in many] for many in songs], "perplexity")
    lines.savefig(folder / "lines.png", dpi=120)


def _boxes(axes: Axes, names: Sequence[str], values: Sequence[Sequence[float]], label: str) -> None:
    axes.boxplot(values, tick_labels=names)
    axes.set_ylabel(label)
