"""`scripts/bark_model.py`: of what a hub has of Bark, a model folder that is served."""

import json
from pathlib import Path

import numpy as np
import torch
from safetensors.torch import load_file

from scripts.bark_model import OPENAI_VOICES, convert
from services.runtime.registry import Registry
from services.runtime.worker import Cancellation
from services.speech.__main__ import SPEECH
from services.speech.bark_engine import BarkEngine, BarkSynthesizer
from services.speech.choices import voice_of
from services.speech.engine import Samples, SpeechRequest
from tests.placed import on_cpu
from tests.tiny_bark import VOICES, bark_manifest, tiny_bark


def heard(bark: BarkSynthesizer, voice: str) -> Samples:
    request = SpeechRequest("The children walked along the river.", voice)
    return np.concatenate(list(bark.synthesize(request, Cancellation())))


def test_what_comes_of_a_pickle_sounds_the_same(tmp_path: Path) -> None:
    engine = BarkEngine(device="cpu", threads=1)
    original = tiny_bark(tmp_path / "original")
    manifest = bark_manifest(original)
    expected = engine.load(manifest, original, on_cpu(manifest))
    weights = original / "model.safetensors"
    torch.save(load_file(weights), original / "pytorch_model.bin")
    weights.unlink()
    places = json.loads((original / "speaker_embeddings_path.json").read_text())
    places["en_speaker_0"] = places[VOICES[0]]  # The first series of voices stays behind.
    (original / "speaker_embeddings_path.json").write_text(json.dumps(places))

    home = tmp_path / "home"
    convert(original, home / "models" / "bark-tiny")

    registry = Registry(home, [SPEECH.models], "speech")
    made = registry.get("bark-tiny")
    assert (made.voices, made.languages) == (sorted(VOICES), ["en", "es", "zh"])
    assert [voice_of(made, name)[:6] for name in OPENAI_VOICES] == ["v2/en_"] * len(OPENAI_VOICES)
    assert not list(registry.folder(made).rglob("*.bin"))
    bark = engine.load(made, registry.folder(made), on_cpu(made))
    for voice in VOICES:
        assert np.array_equal(heard(bark, voice), heard(expected, voice))
