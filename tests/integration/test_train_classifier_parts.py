"""What a training of a network is made of: crops, batches, weights, figures, checkpoints."""

import json
from pathlib import Path

import numpy as np
import pytest
import transformers
from numpy.random import Generator

from services.emotion.corpora import Recording
from services.emotion.degradation import Augmentation
from services.emotion.engine import SAMPLE_RATE, Samples
from services.emotion.training.examples import Collator, Crops
from services.emotion.training.fitting import class_weights, last_checkpoint, measured
from services.emotion.wav2vec2_engine import Listener
from tests.tiny_classifiers import tiny_classifier
from tests.tones import tone, write_wav

LABELS = ("low", "high")


@pytest.fixture(scope="module")
def clips(tmp_path_factory: pytest.TempPathFactory) -> list[Recording]:
    """One of three seconds and one of 0.3 s."""
    folder = tmp_path_factory.mktemp("clips")
    return [
        Recording(write_wav(folder / "long.wav", tone(200, 3.0, 1)), "low"),
        Recording(write_wav(folder / "short.wav", tone(3000, 0.3, 2)), "high"),
    ]


def test_crops_are_drawn_by_seed_epoch_and_clip_alone(clips: list[Recording]) -> None:
    def heard(seed: int, epoch: int) -> Samples:
        crops = Crops(clips, LABELS, 1.0, seed=seed, augment=Augmentation())
        crops.epoch = epoch
        return crops[0][0]

    first = heard(1, 3)
    assert first.size == SAMPLE_RATE
    assert np.array_equal(first, heard(1, 3))
    assert not np.array_equal(first, heard(1, 4))
    assert not np.array_equal(first, heard(2, 3))


def test_without_a_seed_it_is_the_middle(clips: list[Recording]) -> None:
    crops = Crops(clips, LABELS, 1.0)
    whole = Crops(clips, LABELS, 30.0)[0][0]
    assert np.array_equal(crops[0][0], whole[SAMPLE_RATE : 2 * SAMPLE_RATE])
    assert crops[1][0].size == round(0.3 * SAMPLE_RATE)
    assert [crops[at][1] for at in range(2)] == [0, 1]


def test_no_more_than_is_needed_is_augmented(clips: list[Recording]) -> None:
    sizes: list[int] = []

    def note(samples: Samples, _random: Generator) -> Samples:
        sizes.append(samples.size)
        return samples[: samples.size // 2]

    crops = Crops(clips, LABELS, 1.0, seed=1, augment=note)
    assert crops[0][0].size == round(0.625 * SAMPLE_RATE)
    assert sizes == [round(1.25 * SAMPLE_RATE)]


@pytest.mark.parametrize("masks", [True, False])
def test_a_short_crop_is_filled_up_whoever_is_beside_it(
    masks: bool, clips: list[Recording], tmp_path: Path
) -> None:
    folder = tiny_classifier(tmp_path, masks=masks)
    collate = Collator(Listener(transformers.AutoFeatureExtractor.from_pretrained(folder)), 1.0)
    crops = Crops(clips, LABELS, 1.0)
    alone, both = collate([crops[1]]), collate([crops[0], crops[1]])
    assert both["labels"].tolist() == [0, 1]
    assert both["input_values"].shape == (2, SAMPLE_RATE)
    assert alone["input_values"].shape[1] == SAMPLE_RATE // (2 if masks else 1)
    assert ("attention_mask" in both) == masks


def test_rare_labels_count_more_and_all_together_as_much() -> None:
    clips = [Recording(Path("a"), label) for label in ("low", "low", "low", "high")]
    weights = class_weights(clips, LABELS)
    assert weights == pytest.approx([4 / 6, 2])
    assert 3 * weights[0] == weights[1]


def test_figures_are_over_labels_that_occur() -> None:
    logits = np.eye(3)[[0, 0, 1, 2]]
    assert measured(logits, [0, 1, 1, 0]) == pytest.approx(
        {"accuracy": 0.5, "uar": 0.5, "f1": (0.5 + 2 / 3) / 2}
    )


def test_the_last_whole_checkpoint_counts_and_halves_are_removed(tmp_path: Path) -> None:
    assert last_checkpoint(tmp_path / "none") is None
    for step, state in ((9, "{}"), (10, "{}"), (11, '{"half'), (12, None)):
        folder = tmp_path / f"checkpoint-{step}"
        folder.mkdir()
        if state is not None:
            (folder / "trainer_state.json").write_text(state)
    assert last_checkpoint(tmp_path) == tmp_path / "checkpoint-10"
    assert {path.name for path in tmp_path.iterdir()} == {"checkpoint-9", "checkpoint-10"}
    assert json.loads((tmp_path / "checkpoint-10" / "trainer_state.json").read_text()) == {}
