import numpy as np
import pytest

from services.emotion.corpus import LABELS
from services.emotion.examples import Examples

pytest.importorskip("sklearn", reason="needs the extra `train`")

from services.emotion.fitting import (
    STRENGTHS,
    answers,
    fit,
    speaker_folds,
)


def voices(speakers: int, seed: int) -> Examples:
    """Each label raises thirty features of its own; more features than examples."""
    random = np.random.default_rng(seed)
    labels = np.tile(LABELS, speakers)
    values = random.normal(size=(labels.size, 300))
    for at, label in enumerate(LABELS):
        values[labels == label, 30 * at : 30 * (at + 1)] += 2
    return Examples(values.astype(np.float32), labels, np.repeat(np.arange(speakers), len(LABELS)))


def test_a_head_learns_what_can_be_learned() -> None:
    head, strength = fit(voices(16, seed=0))
    heard = voices(8, seed=1)
    assert head.labels == LABELS
    assert strength in STRENGTHS
    assert (answers(head, heard) == heard.labels).mean() > 0.9


def test_no_speaker_is_in_both_parts_and_everyone_is_tested_once() -> None:
    speakers = np.repeat(np.arange(1, 25), 3)
    tested = np.zeros(speakers.size, np.int64)
    for train, test in speaker_folds(speakers, 6):
        assert not set(speakers[train]) & set(speakers[test])
        assert len(set(speakers[test])) == 4
        tested += test
    assert (tested == 1).all()
