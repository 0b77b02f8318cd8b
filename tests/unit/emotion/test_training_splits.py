"""Which clips are trained on, and which are held out."""

from collections import Counter
from pathlib import Path

import pytest

from services.emotion.corpora import Recording
from services.emotion.training.errors import Misuse
from services.emotion.training.recipe import Split
from services.emotion.training.splits import TEST, TRAIN, VALIDATION, check
from services.emotion.training.splits import split as split_for


def recordings(
    speakers: int, each: int = 6, labels: tuple[str, ...] = ("sad", "happy")
) -> list[Recording]:
    """So many clips of every speaker, the labels in turns."""
    return [
        Recording(Path(f"{who}-{at}.wav"), labels[at % len(labels)], f"corpus/{who}")
        for who in range(speakers)
        for at in range(each)
    ]


def split(
    clips: list[Recording], how: Split, held_out: float, seed: int
) -> tuple[list[Recording], list[str]]:
    """As for a network, whose best checkpoint is chosen."""
    return split_for(clips, how, held_out, seed, choosing=True)


def unnamed(clips: list[Recording]) -> list[Recording]:
    return [Recording(each.path, each.label) for each in clips]


def voices(clips: list[Recording], part: str) -> set[str]:
    return {clip.speaker for clip in clips if clip.split == part}


@pytest.mark.parametrize("speakers", [3, 4, 7, 24])
@pytest.mark.parametrize("seed", [1, 2, 3])
def test_nobody_speaks_in_two_parts(speakers: int, seed: int) -> None:
    clips, warned = split(recordings(speakers), "speaker", 0.15, seed)
    parts = [voices(clips, part) for part in (TRAIN, VALIDATION, TEST)]
    assert all(parts)
    assert sum(map(len, parts)) == speakers
    assert warned == []


def test_the_parts_are_as_large_as_was_asked_and_hold_every_label() -> None:
    clips, _ = split(recordings(40, labels=("sad", "happy", "angry")), "speaker", 0.2, 1)
    counts = Counter(clip.split for clip in clips)
    assert counts[TEST] == counts[VALIDATION] == 48
    for part in (TRAIN, VALIDATION, TEST):
        labels = Counter(clip.label for clip in clips if clip.split == part)
        assert len(set(labels.values())) == 1


def test_the_same_seed_splits_alike_and_another_does_not() -> None:
    first, again, other = (split(recordings(24), "speaker", 0.15, seed)[0] for seed in (1, 1, 2))
    assert first == again != other


def test_of_two_speakers_one_is_chosen_by_and_nothing_is_left_to_test_with() -> None:
    clips, warned = split(recordings(2), "speaker", 0.15, 1)
    assert {clip.split for clip in clips} == {TRAIN, VALIDATION}
    assert any("Nothing is left to test with" in text for text in warned)


def test_one_speaker_is_refused_and_random_is_offered() -> None:
    with pytest.raises(Misuse, match=r"All clips are of one speaker.*--split random"):
        split(recordings(1, each=40), "speaker", 0.15, 1)


def test_a_random_split_is_warned_of() -> None:
    clips, warned = split(recordings(4, each=20), "random", 0.15, 1)
    assert "15 to 30 points" in warned[0]
    assert voices(clips, TRAIN) & voices(clips, TEST)


def test_speakers_whom_nobody_knows_are_warned_of() -> None:
    _, warned = split(unnamed(recordings(4)), "speaker", 0.15, 1)
    assert warned[0].startswith("Nobody knows who speaks in these clips")
    mixed = recordings(4) + unnamed(recordings(1))
    _, warned = split(mixed, "speaker", 0.15, 1)
    assert warned == [
        "Nobody knows who speaks in 6 of 30 clips; their speakers may be in several parts."
    ]


def test_a_split_that_the_data_brings_wins() -> None:
    parts = (TRAIN, TRAIN, VALIDATION, TEST)
    given = [
        Recording(clip.path, clip.label, f"corpus/{at % 4}", parts[at % 4])
        for at, clip in enumerate(recordings(4, labels=("a", "a", "a", "a", "b", "b")))
    ]
    clips, warned = split(given, "random", 0.15, 1)
    assert clips == given
    # What `--split` says does not matter then, but to whoever shares voices.
    assert not any("speakers both in training" in text for text in warned)


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_few_clips_of_more_speakers_than_a_label_has_clips_are_parted(seed: int) -> None:
    few = [
        Recording(Path(f"{at}.wav"), "sad" if at % 2 else "happy", f"corpus/{at % 4}")
        for at in range(6)
    ]
    clips, _ = split(few, "random", 0.15, seed)
    assert {clip.split for clip in clips} >= {TRAIN, VALIDATION}


def test_a_split_of_the_data_that_leaves_nothing_to_hold_out_is_refused() -> None:
    tested = [
        Recording(clip.path, clip.label, clip.speaker, TEST if at > 1 else TRAIN)
        for at, clip in enumerate(recordings(2))
    ]
    with pytest.raises(Misuse, match="too few"):
        split(tested, "speaker", 0.15, 1)


def test_a_split_without_a_part_to_choose_by_gets_one_of_what_is_trained_on() -> None:
    given = [
        Recording(clip.path, clip.label, clip.speaker, "test" if clip.speaker[-1] == "0" else "")
        for clip in recordings(5)
    ]
    clips, _ = split(given, "speaker", 0.15, 1)
    assert voices(clips, TEST) == {"corpus/0"}
    assert len(voices(clips, VALIDATION)) == 1
    assert not voices(clips, VALIDATION) & voices(clips, TRAIN)


def test_a_split_whose_parts_share_voices_is_warned_of() -> None:
    given = [
        Recording(clip.path, clip.label, clip.speaker, (TRAIN, VALIDATION, TEST)[at // 2 % 3])
        for at, clip in enumerate(recordings(3))
    ]
    _, warned = split(given, "speaker", 0.15, 1)
    assert "3 speakers both in training and held out" in warned[0]


def test_a_label_whose_clips_are_all_held_out_is_refused() -> None:
    given = [
        *(Recording(Path(f"{at}.wav"), "sad", "x/1", TRAIN) for at in range(9)),
        *(Recording(Path(f"1{at}.wav"), "happy", "x/2", VALIDATION) for at in range(9)),
    ]
    with pytest.raises(Misuse, match="No clip labelled 'happy' is left to train on"):
        split(given, "speaker", 0.15, 1)


@pytest.mark.parametrize(
    ("labels", "sentence"),
    [
        (["sad"] * 9, "Every clip is labelled 'sad'"),
        (["sad"] * 9 + ["happy"] * 2, "The label 'happy' has 2 clips, and 3 are the fewest"),
        (["sad"] * 9 + ["happy"], "The label 'happy' has 1 clip, and"),
    ],
)
def test_too_few_labels_or_clips_are_refused(labels: list[str], sentence: str) -> None:
    clips = [Recording(Path(f"{at}.wav"), label, str(at)) for at, label in enumerate(labels)]
    with pytest.raises(Misuse, match=sentence):
        check(clips)


def test_where_nothing_is_chosen_all_that_is_held_out_tests() -> None:
    clips, warned = split_for(recordings(7), "speaker", 0.15, 1, choosing=False)
    assert len(voices(clips, TEST)) == 1
    assert len(voices(clips, TRAIN)) == 6
    clips, warned = split_for(recordings(2), "speaker", 0.15, 1, choosing=False)
    assert {clip.split for clip in clips} == {TRAIN, TEST}
    assert warned == []


@pytest.mark.parametrize(
    ("given", "trained", "tested"),
    [
        ((TRAIN, VALIDATION, TEST), {"0", "1"}, {"2"}),
        ((TRAIN, TRAIN, VALIDATION), {"0", "1"}, {"2"}),
    ],
)
def test_where_nothing_is_chosen_a_part_to_choose_by_is_trained_on_or_tests(
    given: tuple[str, ...], trained: set[str], tested: set[str]
) -> None:
    brought = [
        Recording(clip.path, clip.label, clip.speaker, given[int(clip.speaker[-1])])
        for clip in recordings(3)
    ]
    clips, _ = split_for(brought, "speaker", 0.15, 1, choosing=False)
    assert voices(clips, TRAIN) == {f"corpus/{who}" for who in trained}
    assert voices(clips, TEST) == {f"corpus/{who}" for who in tested}
