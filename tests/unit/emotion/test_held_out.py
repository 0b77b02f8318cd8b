"""Nobody is answered by what has heard them, and promises are counted as they were made."""

from collections.abc import Sequence
from pathlib import Path

import pytest

from services.emotion.corpora import Recording
from services.emotion.engine import Clip, LabelScore
from services.emotion.evaluation.errors import EvaluationError
from services.emotion.evaluation.held_out import Fitted, leave_corpus_out, leave_speakers_out
from services.runtime.worker import Cancellation


class Heard:
    """A model that knows what it was fitted on."""

    def __init__(self, recordings: Sequence[Recording]) -> None:
        self.speakers = {recording.speaker for recording in recordings}

    def classify(self, clip: Clip, cancelled: Cancellation) -> list[LabelScore]:
        raise AssertionError("nobody asks")

    def close(self) -> None:
        pass


class Fits:
    """Counts how often something is fitted."""

    def __init__(self) -> None:
        self.done: list[Heard] = []

    def __call__(self, recordings: Sequence[Recording], title: str) -> Fitted:
        self.done.append(Heard(recordings))
        return Fitted(self.done[-1], 1.0 + len(self.done))


def corpus(name: str, speakers: int, labels: str = "ab") -> list[Recording]:
    return [
        Recording(Path(f"{name}{speaker}{label}.wav"), label, f"{name}/{speaker:02}")
        for speaker in range(speakers)
        for label in labels
    ]


def test_who_is_asked_was_not_fitted_on_and_everybody_else_was() -> None:
    fits, recordings = Fits(), corpus("x", 24)
    subject = leave_speakers_out(fits, recordings, 6)
    everybody = {each.speaker for each in recordings}
    for recording in recordings:
        model = subject.chosen(recording)
        assert isinstance(model, Heard)
        assert recording.speaker not in model.speakers
        assert len(everybody - model.speakers) == 4
    assert len(fits.done) == 6
    assert subject.folds[0] == ("x/00", "x/01", "x/02", "x/03")
    assert subject.temperatures["x/00"] != subject.temperatures["x/23"]


def test_what_else_is_fitted_on_is_so_in_every_fold() -> None:
    fits = Fits()
    leave_speakers_out(fits, corpus("x", 4), 2, corpus("y", 3))
    assert all({"y/00", "y/01", "y/02"} <= model.speakers for model in fits.done)


def test_there_are_no_more_folds_than_speakers() -> None:
    assert len(leave_speakers_out(Fits(), corpus("x", 3), 6).folds) == 3


def test_another_corpus_is_asked_about_once() -> None:
    fits, tested = Fits(), corpus("y", 2)
    subject = leave_corpus_out(fits, corpus("x", 3), tested)
    assert [model.speakers for model in fits.done] == [{"x/00", "x/01", "x/02"}]
    assert subject.chosen(tested[0]) is fits.done[0]
    assert subject.temperatures == {"y/00": 2.0, "y/01": 2.0}


def test_what_cannot_be_held_out_is_told() -> None:
    unknown = [Recording(Path("a.wav"), "a"), *corpus("x", 2)]
    with pytest.raises(EvaluationError, match="who speaks in 1 of 5 clips"):
        leave_speakers_out(Fits(), unknown, 2)
    with pytest.raises(EvaluationError, match="one speaker, x/00"):
        leave_speakers_out(Fits(), corpus("x", 1), 2)
    with pytest.raises(EvaluationError, match="x/01 would be learnt from and tested"):
        leave_corpus_out(Fits(), corpus("x", 2), corpus("x", 3)[2:])
    with pytest.raises(EvaluationError, match=r"labelled c, which is tested.*--drop c"):
        leave_corpus_out(Fits(), corpus("x", 2), corpus("y", 2, "abc"))
    with pytest.raises(EvaluationError, match="labelled c"):
        leave_speakers_out(Fits(), [*corpus("x", 3), Recording(Path("c.wav"), "c", "x/00")], 3)
