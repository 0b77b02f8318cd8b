"""Classifiers of transformers, tiny and random, through the real engine."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import transformers
from numpy.typing import NDArray

from services.emotion.engine import SAMPLE_RATE, Clip
from services.emotion.wav2vec2_engine import Listener, Wav2Vec2Engine, Wav2Vec2Model
from services.emotion.windowed import cut
from services.runtime.errors import Cancelled, ModelLoadFailed
from services.runtime.worker import Cancellation
from tests.placed import on_cpu
from tests.tiny_classifiers import KINDS, LABELS, manifest_of, tiny_classifier
from tests.tones import tone


def loaded(folder: Path, names: tuple[str, ...] = LABELS, **options: Any) -> Wav2Vec2Model:
    manifest = manifest_of(folder, names, options)
    return Wav2Vec2Engine(device="cpu", threads=1).load(manifest, folder, on_cpu(manifest))


def noise(samples: int, seed: int = 0) -> NDArray[np.float32]:
    hiss = np.random.default_rng(seed).normal(0, 0.1, samples)
    return hiss.astype(np.float32)


def scores(model: Wav2Vec2Model, samples: NDArray[np.float32]) -> dict[str, float]:
    return {each.label: each.score for each in model.classify(Clip(samples), Cancellation())}


@pytest.mark.parametrize("kind", KINDS)
def test_every_kind_of_checkpoint_classifies_clips_of_any_length(kind: str, tmp_path: Path) -> None:
    model = loaded(tiny_classifier(tmp_path, kind), window_seconds=2.0)
    for samples in (1, 800, 8_000, 32_000, 100_001):
        found = scores(model, noise(samples))
        assert found.keys() == set(LABELS)
        assert sum(found.values()) == pytest.approx(1, abs=1e-5)
    # They are no constants.
    assert scores(model, noise(32_000)) != scores(model, np.ones(32_000, np.float32))
    model.close()


def test_it_computes_what_transformers_computes(tmp_path: Path) -> None:
    folder = tiny_classifier(tmp_path)
    samples = noise(20_000)
    extractor = transformers.AutoFeatureExtractor.from_pretrained(folder)
    network = transformers.AutoModelForAudioClassification.from_pretrained(folder).eval()
    with torch.no_grad():
        read = extractor(samples, sampling_rate=SAMPLE_RATE, return_tensors="pt")
        expected = network(**read).logits[0].softmax(-1).numpy()
    found = scores(loaded(folder), samples)
    assert [found[label] for label in LABELS] == pytest.approx(expected.tolist(), abs=1e-5)


def test_what_fills_up_a_batch_is_masked_where_the_network_knows_masks(tmp_path: Path) -> None:
    short, long = noise(12_000), noise(30_000, seed=1)
    for masks in (True, False):
        folder = tiny_classifier(tmp_path / str(masks), masks=masks)
        listener = Listener(transformers.AutoFeatureExtractor.from_pretrained(folder))
        network = transformers.AutoModelForAudioClassification.from_pretrained(folder).eval()
        with torch.no_grad():
            alone = network(**listener([short])).logits[0]
            beside = network(**listener([short, long])).logits[0]
        assert ("attention_mask" in listener([short])) == masks
        assert torch.allclose(alone, beside, atol=1e-3) == masks


def test_a_long_clip_is_the_mean_of_its_windows(tmp_path: Path) -> None:
    model = loaded(tiny_classifier(tmp_path), window_seconds=1.0)
    samples = noise(3 * SAMPLE_RATE)
    parts = [model.logits(Clip(part), Cancellation()) for part in cut(samples, SAMPLE_RATE)]
    assert len(parts) == 3
    whole = model.logits(Clip(samples), Cancellation())
    assert whole is not None
    mean = np.mean([part for part in parts if part is not None], axis=0)
    assert whole.tolist() == pytest.approx(mean.tolist(), abs=1e-4)


def test_windows_are_equally_long_and_reach_both_ends() -> None:
    samples = np.arange(70_001, dtype=np.float32)
    windows = cut(samples, 32_000)
    assert [window.size for window in windows] == [32_000] * 3
    assert (windows[0][0], windows[-1][-1]) == (0, 70_000)
    assert cut(samples[:10], 32_000)[0].size == SAMPLE_RATE // 2


def test_whisper_hears_all_of_a_clip_longer_than_its_window(tmp_path: Path) -> None:
    # Its encoder reads two seconds, whatever the options say.
    model = loaded(tiny_classifier(tmp_path, "whisper"), window_seconds=8.0)
    first, second = noise(2 * SAMPLE_RATE), tone(300, 2.0, 1)
    beginning = model.logits(Clip(first), Cancellation())
    whole = model.logits(Clip(np.concatenate([first, second])), Cancellation())
    assert beginning is not None
    assert whole is not None
    assert whole.tolist() != pytest.approx(beginning.tolist(), abs=1e-4)


@pytest.mark.parametrize("value", [0, -1, "two", None, True, float("nan")])
@pytest.mark.parametrize("name", ["window_seconds", "temperature"])
def test_an_option_out_of_range_is_refused(name: str, value: object, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=f"options.{name} must be a number"):
        loaded(tiny_classifier(tmp_path), LABELS, **{name: value})


def test_silence_says_nothing(tmp_path: Path) -> None:
    model = loaded(tiny_classifier(tmp_path))
    found = scores(model, np.zeros(SAMPLE_RATE, np.float32))
    assert list(found.values()) == pytest.approx([1 / 3] * 3)


def test_the_temperature_makes_it_less_sure(tmp_path: Path) -> None:
    folder = tiny_classifier(tmp_path)
    sure, less = (
        max(scores(loaded(folder, temperature=t), noise(16_000)).values()) for t in (1.0, 4.0)
    )
    assert sure > less > 1 / 3


def test_who_leaves_is_not_worked_for(tmp_path: Path) -> None:
    cancelled = Cancellation()
    cancelled.set()
    with pytest.raises(Cancelled):
        loaded(tiny_classifier(tmp_path)).classify(Clip(noise(16_000)), cancelled)


def test_labels_may_be_renamed_but_not_differ(tmp_path: Path) -> None:
    folder = tiny_classifier(tmp_path, labels=("neu", "hap", "sad"))
    names = ("sad", "neutral", "happy")
    model = loaded(folder, names, labels={"neu": "neutral", "hap": "happy"})
    assert scores(model, noise(16_000)).keys() == set(names)
    with pytest.raises(ValueError, match=r"labels sad, neutral, happy, config\.json neu, hap"):
        loaded(folder, names)


def break_weights(folder: Path) -> None:
    file = folder / "model.safetensors"
    file.write_bytes(file.read_bytes()[: file.stat().st_size // 2])


def leave_out_head(folder: Path) -> None:
    config = transformers.AutoConfig.from_pretrained(folder)
    transformers.AutoModel.from_config(config).save_pretrained(folder)


def pickle_weights(folder: Path) -> None:
    (folder / "model.safetensors").unlink()
    torch.save({}, folder / "pytorch_model.bin")


def forget_numbers(folder: Path) -> None:
    model = transformers.AutoModelForAudioClassification.from_pretrained(folder)
    with torch.no_grad():
        model.classifier.weight.fill_(float("nan"))
    model.save_pretrained(folder)


def remove_extractor(folder: Path) -> None:
    (folder / "preprocessor_config.json").unlink()


def scramble_config(folder: Path) -> None:
    (folder / "config.json").write_text("{ not json")


def widen_config(folder: Path) -> None:
    config = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps(config | {"hidden_size": 64}))


@pytest.mark.parametrize(
    ("harm", "said"),
    [
        (break_weights, "cannot be read"),
        (scramble_config, "cannot be read"),
        (widen_config, "cannot be read"),
        (remove_extractor, "cannot be read"),
        (pickle_weights, "no weights as safetensors"),
        (leave_out_head, "lacks 4 of its weights, such as classifier.bias"),
        (forget_numbers, "does not compute"),
    ],
)
def test_a_broken_checkpoint_is_refused_by_its_name(
    harm: object, said: str, tmp_path: Path
) -> None:
    folder = tiny_classifier(tmp_path)
    assert callable(harm)
    harm(folder)
    with pytest.raises(ModelLoadFailed, match=said) as raised:
        loaded(folder)
    assert "'tiny-classifier'" in raised.value.message
    assert str(tmp_path) not in raised.value.message


def test_a_checkpoint_for_another_rate_is_refused(tmp_path: Path) -> None:
    folder = tiny_classifier(tmp_path)
    transformers.Wav2Vec2FeatureExtractor(sampling_rate=8_000).save_pretrained(folder)
    with pytest.raises(ValueError, match="hears 8000 Hz, not 16000"):
        loaded(folder)
