"""Recordings to learn from and to be tested on: folders of known corpora, and of anybody's own."""

from services.emotion.corpora.decoding import Skipped, listened
from services.emotion.corpora.generic import from_folders, from_table
from services.emotion.corpora.known import CORPORA, Corpus
from services.emotion.corpora.labels import EIGHT, SIX, Labelling
from services.emotion.corpora.reading import read, recognise
from services.emotion.corpora.recording import CorpusError, Recording

__all__ = [
    "CORPORA", "EIGHT", "SIX", "Corpus", "CorpusError", "Labelling", "Recording", "Skipped",
    "from_folders", "from_table", "listened", "read", "recognise",
]  # fmt: skip
