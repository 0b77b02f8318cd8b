from collections.abc import Sequence

import numpy as np
import pytest

from services.emotion.examples import Examples

pytest.importorskip("sklearn", reason="needs the extra `train`")

from services.emotion.fitting import Recipe, fit, group_folds
from services.emotion.head import Head

LABELS = ["happy", "sad", "wild"]
QUICK = Recipe(strength=1.0, folds=3, iterations=30)


def voices(
    speakers: int, seed: int, labels: Sequence[str] = LABELS, copies: int = 1, raised: float = 2.0
) -> Examples:
    """Each label raises twenty features of its own; more features than examples."""
    random = np.random.default_rng(seed)
    each = np.tile(np.array(labels), speakers)
    values = random.normal(size=(each.size, 150))
    for at, label in enumerate(labels):
        values[each == label, 20 * at : 20 * (at + 1)] += raised
    spoken = np.array([f"ours/{at}" for at in range(speakers)])
    return Examples(
        np.tile(values, (copies, 1)).astype(np.float32),
        np.tile(each, copies),
        np.tile(np.repeat(spoken, len(labels)), copies),
        np.tile(np.arange(each.size), copies),
        np.repeat(np.arange(copies), each.size),
    )


def right(head: Head, heard: Examples) -> float:
    answers = np.array(head.labels)[head.probabilities(heard.values).argmax(axis=1)]
    return float((answers == heard.labels).mean())


@pytest.mark.parametrize("labels", [LABELS, ["no", "yes"], [f"word {at}" for at in range(7)]])
def test_a_head_learns_what_can_be_learned(labels: list[str]) -> None:
    head = fit(voices(12, seed=0, labels=labels), labels, reads="made up", recipe=QUICK)
    assert head.labels == labels
    assert head.reads == "made up"
    assert right(head, voices(8, seed=1, labels=labels)) > 0.9


def test_the_order_of_labels_is_the_callers_and_other_labels_are_left_out() -> None:
    examples = voices(8, seed=0)
    head = fit(examples, ["wild", "happy"], reads="", recipe=QUICK)
    assert head.labels == ["wild", "happy"]
    assert right(head, examples.labelled(["wild", "happy"])) > 0.9


def test_the_same_examples_give_the_same_head_and_progress_is_told() -> None:
    told: list[tuple[int, int]] = []
    heads = [
        fit(
            voices(6, seed=0, copies=2),
            LABELS,
            reads="",
            recipe=QUICK,
            progress=lambda done, every: told.append((done, every)),
        )
        for _ in range(2)
    ]
    np.testing.assert_array_equal(heads[0].weight, heads[1].weight)
    assert told[:5] == [(0, 4), (1, 4), (2, 4), (3, 4), (4, 4)]


def test_probabilities_are_as_sure_as_they_are_right_on_new_voices() -> None:
    labelled = voices(30, seed=0, raised=0.35)
    overfitted = Recipe(strength=1e-3, folds=5, iterations=100)
    head = fit(labelled, LABELS, reads="", recipe=overfitted)
    heard = voices(300, seed=1, raised=0.35)
    sure = float(head.probabilities(heard.values).max(axis=1).mean())
    assert head.temperature > 1.5
    assert sure == pytest.approx(right(head, heard), abs=0.08)


def test_rare_labels_count_as_much_as_frequent_ones() -> None:
    examples = voices(40, seed=0, labels=["rare", "often"], raised=0.6)
    kept = (examples.labels == "often") | (np.arange(examples.labels.size) < 30)
    heard = voices(300, seed=1, labels=["rare", "often"], raised=0.6).labelled(["rare"])
    found = {
        balanced: right(
            fit(
                examples.of(kept),
                ["rare", "often"],
                reads="",
                recipe=Recipe(strength=30.0, balanced=balanced, folds=2, iterations=50),
            ),
            heard,
        )
        for balanced in (False, True)
    }
    assert found[True] > found[False] + 0.2


def test_no_group_is_in_both_parts_and_everyone_is_tested_once() -> None:
    groups = np.repeat([f"ours/{at}" for at in range(24)], 3)
    tested = np.zeros(groups.size, np.int64)
    for train, test in group_folds(groups, 6):
        assert not set(groups[train]) & set(groups[test])
        assert len(set(groups[test])) == 4
        tested += test
    assert (tested == 1).all()


def test_without_speakers_the_copies_of_a_clip_stay_together() -> None:
    examples = voices(6, seed=0, copies=3)
    nobody = np.full_like(examples.speakers, "")
    unknown = Examples(examples.values, examples.labels, nobody, examples.clips, examples.copies)
    assert right(fit(unknown, LABELS, reads="", recipe=QUICK), voices(8, seed=1)) > 0.9


def test_what_cannot_be_learned_is_said() -> None:
    with pytest.raises(ValueError, match="two labels"):
        fit(voices(4, seed=0), ["happy"], reads="")
    with pytest.raises(ValueError, match="labelled bored"):
        fit(voices(4, seed=0), ["happy", "bored"], reads="")
