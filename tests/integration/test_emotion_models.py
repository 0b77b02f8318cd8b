"""The shipped emotion model through the real engine."""

from collections.abc import Iterator

import numpy as np
import pytest
from numpy.typing import NDArray

from services.emotion.__main__ import EMOTION, whisper_head
from services.emotion.engine import SAMPLE_RATE, Clip, EmotionModel
from services.emotion.settings import EmotionSettings
from services.runtime.errors import Cancelled
from services.runtime.registry import Registry
from services.runtime.worker import Cancellation
from tests.integration.voices import RAVDESS, recorded, synthetic
from tests.placed import on_cpu


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Iterator[EmotionModel]:
    registry = Registry(tmp_path_factory.mktemp("home"), [EMOTION.models])
    manifest = registry.resolve("", "classification")
    model = whisper_head(EmotionSettings()).load(
        manifest, registry.folder(manifest), on_cpu(manifest)
    )
    yield model
    model.close()


def scores(model: EmotionModel, samples: NDArray[np.floating]) -> dict[str, float]:
    clip = Clip(samples.astype(np.float32))
    return {each.label: each.score for each in model.classify(clip, Cancellation())}


@pytest.mark.parametrize("samples", [1, 2, 159, 160, 400, 8_000, 48_000, 20 * SAMPLE_RATE])
def test_a_clip_of_any_length_gets_six_scores(model: EmotionModel, samples: int) -> None:
    noise = 0.1 * np.random.default_rng(0).normal(size=samples)
    found = scores(model, noise)
    assert len(found) == 6
    assert sum(found.values()) == pytest.approx(1, abs=1e-5)
    assert np.isfinite(list(found.values())).all()


def test_silence_says_nothing(model: EmotionModel) -> None:
    assert list(scores(model, np.zeros(SAMPLE_RATE)).values()) == pytest.approx([1 / 6] * 6)


def test_loudness_and_the_silence_around_do_not_matter(model: EmotionModel) -> None:
    voice = synthetic()
    silence = np.zeros(SAMPLE_RATE)
    plain = scores(model, voice)
    assert scores(model, 0.1 * voice) == pytest.approx(plain, abs=0.01)
    assert scores(model, np.concatenate([silence, voice, silence])) == pytest.approx(
        plain, abs=0.01
    )


def test_who_leaves_is_not_worked_for(model: EmotionModel) -> None:
    cancelled = Cancellation()
    cancelled.set()
    with pytest.raises(Cancelled):
        model.classify(Clip(synthetic(30)), cancelled)


@pytest.mark.skipif(not RAVDESS.is_dir(), reason="needs RAVDESS beside the repository")
def test_the_shipped_head_knows_the_voices_it_was_trained_on(model: EmotionModel) -> None:
    [neutral] = recorded(1)
    assert max(found := scores(model, neutral), key=lambda label: found[label]) == "neutral"
