"""From a path to recordings, whichever corpus lies there."""

from pathlib import Path

from services.emotion.corpora.generic import from_folders, from_table
from services.emotion.corpora.known import CORPORA, Corpus
from services.emotion.corpora.recording import CorpusError, Recording, clips

#: Share of the clips below a folder that must be called as a corpus calls them.
_ENOUGH = 0.5


def recognise(folder: Path) -> Corpus | None:
    """The known corpus below a folder by the names of its clips, or None for anything else.

    Raises `CorpusError` where there is no folder or no clip.
    """
    names = clips(folder)
    if not names:
        raise CorpusError(f"{folder} holds no audio. Name the folder that holds the clips.")
    counts = {
        corpus.name: sum(corpus.recording(path) is not None for path in names)
        for corpus in CORPORA.values()
    }
    best = max(counts, key=lambda name: counts[name])
    return CORPORA[best] if counts[best] >= _ENOUGH * len(names) else None


def read(data: Path) -> list[Recording]:
    """What is at `data`: a known corpus, folders called as labels, or a table `.csv`.

    Each clip once, in the order of their names or rows. Raises `CorpusError`.
    """
    if data.suffix.lower() == ".csv":
        return from_table(data)
    if not data.exists():
        raise CorpusError(f"{data} does not exist. Name a folder of clips, or a table, .csv.")
    corpus = recognise(data)
    return from_folders(data) if corpus is None else corpus.recordings(data)
