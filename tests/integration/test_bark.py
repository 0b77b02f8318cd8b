"""Bark through transformers: real code, random weights of the same architecture, on disk."""

import io
import json
import shutil
import threading
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pytest
import torch
import yaml

from gateway.keystore import KeyStore
from services.runtime.audio import AudioLimits, decode
from services.runtime.errors import InvalidRequest, ModelLoadFailed
from services.runtime.worker import Cancellation
from services.speech.__main__ import SPEECH
from services.speech.bark_engine import BarkEngine, BarkSynthesizer, spoken
from services.speech.engine import SYNTHESIZER_RATE, Samples, SpeechRequest
from services.speech.settings import SpeechSettings
from tests.fakes.container import running
from tests.fakes.gateway import error_of, settings_for
from tests.fakes.gateway import running as running_gateway
from tests.placed import on_cpu
from tests.tiny_bark import VOICES, bark_manifest, tiny_bark

TEXT = "The children walked along the river. The sun went down behind the hills!"
FIRST, *_, LAST = VOICES


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tiny_bark(tmp_path_factory.mktemp("bark"))


@pytest.fixture(scope="module")
def engine() -> BarkEngine:
    return BarkEngine(device="cpu", threads=1)


def loaded(engine: BarkEngine, folder: Path, **options: Any) -> BarkSynthesizer:
    manifest = bark_manifest(folder, **options)
    return engine.load(manifest, folder, on_cpu(manifest))


@pytest.fixture(scope="module")
def bark(engine: BarkEngine, folder: Path) -> Iterator[BarkSynthesizer]:
    model = loaded(engine, folder)
    yield model
    model.close()


def parts(bark: BarkSynthesizer, text: str = TEXT, **fields: Any) -> list[Samples]:
    asked = SpeechRequest(text, **{"voice": FIRST, **fields})
    return list(bark.synthesize(asked, Cancellation()))


def sound(bark: BarkSynthesizer, text: str = TEXT, **fields: Any) -> Samples:
    return np.concatenate(parts(bark, text, **fields))


class Steps:
    """Counts the steps of the three networks, and does something before one of them."""

    def __init__(self, bark: BarkSynthesizer) -> None:
        self.taken: list[str] = []
        self.at: dict[tuple[str, int], Callable[[], object]] = {}
        for name in ("semantic", "coarse_acoustics", "fine_acoustics"):
            network = getattr(bark._model, name)
            network.drop.register_forward_pre_hook(lambda *_, name=name: self._step(name))

    def _step(self, name: str) -> None:
        self.taken.append(name)
        if act := self.at.pop((name, self.taken.count(name)), None):
            act()


@pytest.mark.parametrize("voice", VOICES)
def test_every_voice_speaks_and_a_request_sounds_the_same_again(
    bark: BarkSynthesizer, voice: str
) -> None:
    heard = sound(bark, voice=voice)
    assert heard.dtype == np.float32
    assert np.isfinite(heard).all()
    assert 0.01 < np.abs(heard).max() <= 1.0
    assert np.array_equal(heard, sound(bark, voice=voice))


def test_voices_and_texts_and_seeds_sound_different(
    bark: BarkSynthesizer, engine: BarkEngine, folder: Path
) -> None:
    other = loaded(engine, folder, seed=1)
    heard = [sound(bark), sound(bark, voice=LAST), sound(bark, "No rain."), sound(other)]
    assert not any(
        np.array_equal(one, another) for at, one in enumerate(heard) for another in heard[:at]
    )


def test_each_sentence_is_heard_before_the_next_is_made(engine: BarkEngine, folder: Path) -> None:
    bark = loaded(engine, folder)
    steps = Steps(bark)
    heard = bark.synthesize(SpeechRequest(TEXT, FIRST), Cancellation())
    assert next(heard).size > 0
    first = list(steps.taken)
    assert first.count("fine_acoustics") > 0
    assert next(heard).size > 0
    assert steps.taken[len(first)] == "semantic"


@pytest.mark.parametrize("speed", [0.25, 0.5, 2.0, 4.0])
def test_the_speed_shortens_the_sound(bark: BarkSynthesizer, speed: float) -> None:
    text = TEXT * 3
    assert sound(bark, text, speed=speed).size * speed == pytest.approx(
        sound(bark, text).size, rel=0.2
    )


def test_another_rate_is_brought_to_ours(
    bark: BarkSynthesizer, engine: BarkEngine, tmp_path: Path
) -> None:
    slow = loaded(engine, tiny_bark(tmp_path, rate=12000))
    assert sound(slow).size == pytest.approx(2 * sound(bark).size, rel=0.01)


@pytest.mark.parametrize("text", ["", "   ", "...", "— «»", "\n\n", "\x00", "🎶 🎶"])
def test_nothing_to_say_is_refused(bark: BarkSynthesizer, text: str) -> None:
    with pytest.raises(InvalidRequest, match="nothing") as refused:
        parts(bark, text)
    assert refused.value.param == "input"


@pytest.mark.parametrize(
    "text", ["♪ la la ♪", "[laughs] no", "[[a]]\x00b", "今天天气很好", "x" * 4096, "é" * 500]
)
def test_whatever_has_words_is_spoken(bark: BarkSynthesizer, text: str) -> None:
    assert sound(bark, text).size > 0


def test_no_phrase_takes_longer_than_bark_speaks() -> None:
    assert [len(phrase) for phrase in spoken("word " * 100)] == [159, 159, 159, 19]
    assert max(len(phrase) for phrase in spoken("今天天气很好，" * 30)) <= 50
    assert list(spoken("Hm. ... No!\n\n* * *\n")) == ["Hm. ... No! * * *"]


@pytest.mark.parametrize("network", ["semantic", "coarse_acoustics", "fine_acoustics"])
def test_cancelling_ends_it_at_the_next_step_of_any_network(
    engine: BarkEngine, folder: Path, network: str
) -> None:
    bark = loaded(engine, folder)
    steps, cancelled = Steps(bark), Cancellation()
    steps.at[network, 3] = cancelled.set
    assert list(bark.synthesize(SpeechRequest(TEXT, FIRST), cancelled)) == []
    assert steps.taken.count(network) == 3
    assert steps.taken[-1] == network
    # Whoever comes next is not concerned.
    assert np.array_equal(sound(bark), sound(loaded(engine, folder)))


def test_several_at_once_sound_as_each_alone_and_who_waits_can_leave(
    engine: BarkEngine, folder: Path
) -> None:
    bark = loaded(engine, folder)
    alone = {voice: sound(bark, voice=voice) for voice in VOICES}
    steps, begun, go_on = Steps(bark), threading.Event(), threading.Event()
    heard: dict[str, Samples] = {}

    def pause() -> None:
        begun.set()
        go_on.wait(20)

    steps.at["semantic", 2] = pause

    def speak(voice: str) -> None:
        heard[voice] = sound(bark, voice=voice)

    threads = [threading.Thread(target=speak, args=(voice,)) for voice in VOICES]
    threads[0].start()
    assert begun.wait(20)
    left = Cancellation()
    left.set()
    assert list(bark.synthesize(SpeechRequest(TEXT, FIRST), left)) == []
    for thread in threads[1:]:
        thread.start()
    go_on.set()
    for thread in threads:
        thread.join()
    assert all(np.array_equal(heard[voice], alone[voice]) for voice in VOICES)


def test_it_leaves_the_generators_of_others_as_they_were(bark: BarkSynthesizer) -> None:
    torch_before, numpy_before = torch.random.get_rng_state(), repr(np.random.get_state())
    sound(bark)
    assert torch.equal(torch.random.get_rng_state(), torch_before)
    assert repr(np.random.get_state()) == numpy_before


def cut(folder: Path) -> None:
    weights = folder / "model.safetensors"
    weights.write_bytes(weights.read_bytes()[:5000])


def pickled(folder: Path) -> None:
    (folder / "model.safetensors").rename(folder / "pytorch_model.bin")


def another_model(folder: Path) -> None:
    (folder / "config.json").write_text('{"model_type": "bert"}')


def no_json(folder: Path) -> None:
    (folder / "config.json").write_text("{")


def wider(folder: Path) -> None:
    config = json.loads((folder / "config.json").read_text())
    config["semantic_config"]["hidden_size"] = 32
    (folder / "config.json").write_text(json.dumps(config))


def more_words(folder: Path) -> None:
    config = json.loads((folder / "generation_config.json").read_text())
    config["semantic_config"]["text_pad_token"] -= 1
    (folder / "generation_config.json").write_text(json.dumps(config))


def without(name: str) -> Callable[[Path], None]:
    def remove(folder: Path) -> None:
        (folder / name).unlink()

    return remove


def no_numbers(folder: Path) -> None:
    from safetensors.torch import load_file, save_file

    weights = load_file(folder / "model.safetensors")
    save_file(
        {
            name: torch.full_like(values, torch.nan) if "codec_model.decoder" in name else values
            for name, values in weights.items()
        },
        folder / "model.safetensors",
        {"format": "pt"},
    )


def voice_of(values: Any, *, pickle: bool = False) -> Callable[[Path], None]:
    def write(folder: Path) -> None:
        np.save(folder / f"speaker_embeddings/{LAST}_coarse_prompt.npy", values, pickle)

    return write


def voice_elsewhere(folder: Path) -> None:
    places = json.loads((folder / "speaker_embeddings_path.json").read_text())
    np.save(folder.parent / "outside.npy", np.zeros(9, int))
    places[LAST]["semantic_prompt"] = "../outside.npy"
    (folder / "speaker_embeddings_path.json").write_text(json.dumps(places))


@pytest.mark.parametrize(
    ("break_it", "said"),
    [
        (pickled, "no weights as safetensors"),
        (cut, "cannot be read"),
        (another_model, "cannot be read"),
        (no_json, "cannot be read"),
        (wider, "cannot be read"),
        (without("tokenizer.json"), "cannot be read"),
        (without("generation_config.json"), "cannot be read"),
        (more_words, "cannot be read"),
        (no_numbers, "does not compute"),
        (without("speaker_embeddings_path.json"), "arrays for its voice"),
        (without(f"speaker_embeddings/{LAST}_fine_prompt.npy"), f"arrays for its voice '{LAST}'"),
        (voice_of(np.full((2, 60), 999)), f"arrays for its voice '{LAST}'"),
        (voice_of(np.full((2, 60), -1)), f"arrays for its voice '{LAST}'"),
        (voice_of(np.zeros((2, 0), int)), f"arrays for its voice '{LAST}'"),
        (voice_of(np.zeros((2, 9))), f"arrays for its voice '{LAST}'"),
        (voice_of(np.zeros(9, int)), f"arrays for its voice '{LAST}'"),
        (voice_of([{}], pickle=True), f"arrays for its voice '{LAST}'"),
        (voice_elsewhere, f"arrays for its voice '{LAST}'"),
    ],
)
def test_what_is_broken_is_not_loaded(
    engine: BarkEngine,
    folder: Path,
    tmp_path: Path,
    break_it: Callable[[Path], None],
    said: str,
) -> None:
    copy = Path(shutil.copytree(folder, tmp_path / "copy"))
    break_it(copy)
    with pytest.raises(ModelLoadFailed, match=said):
        loaded(engine, copy)


@pytest.mark.parametrize(
    "options", [{"seed": -1}, {"seed": "x"}, {"min_eos_p": 0}, {"min_eos_p": "much"}]
)
def test_options_out_of_range_are_not_loaded(
    engine: BarkEngine, folder: Path, options: dict[str, Any]
) -> None:
    with pytest.raises(ValueError, match=f"options.{next(iter(options))}"):
        loaded(engine, folder, **options)


@pytest.fixture
async def client(folder: Path, tmp_path: Path) -> AsyncIterator[httpx.AsyncClient]:
    home = tmp_path / "home"
    described = home / "models" / "tiny-bark" / "model.yaml"
    described.parent.mkdir(parents=True)
    manifest = bark_manifest(folder, voice_aliases={"alloy": LAST})
    described.write_text(yaml.safe_dump(manifest.model_dump(mode="json", exclude_defaults=True)))
    address = f"unix:{tmp_path / 's'}"
    settings = SpeechSettings(
        ORFEON_HOME=home, address=address, preload=False, device="cpu", threads=1
    )
    outside = settings_for(tmp_path, address)
    keys = KeyStore(outside.database_url, cache_seconds=0.2)
    _, secret = keys.create("test")
    headers = {"authorization": f"Bearer {secret}"}
    async with (
        running(SPEECH, settings, load=False),
        running_gateway(outside, keys) as url,
        httpx.AsyncClient(base_url=url, headers=headers, timeout=60) as client,
    ):
        yield client
    keys.close()


async def test_through_the_gateway_it_speaks_with_the_voice_that_was_asked_for(
    client: httpx.AsyncClient, bark: BarkSynthesizer
) -> None:
    async def asked(**fields: Any) -> bytes:
        body = {"model": "tiny-bark", "input": TEXT, "response_format": "pcm", **fields}
        response = await client.post("/v1/audio/speech", json=body)
        assert response.status_code == 200, response.text
        return response.content

    last = await asked(voice=LAST)
    heard = np.frombuffer(last, "<i2") / 32768
    assert np.abs(heard - sound(bark, voice=LAST)).max() < 1e-3
    assert await asked(voice_preset=LAST) == last
    assert await asked(voice=LAST, voice_preset=LAST) == last
    assert await asked(voice="alloy") == last
    assert await asked() == await asked(voice=FIRST) != last
    file = io.BytesIO(await asked(response_format="mp3"))
    decoded = decode(file, SYNTHESIZER_RATE, AudioLimits(max_seconds=60))
    assert decoded.size == pytest.approx(sound(bark).size, abs=SYNTHESIZER_RATE / 5)

    body = {"model": "tiny-bark", "input": TEXT, "voice_preset": "v2/xx_speaker_0"}
    refused = await client.post("/v1/audio/speech", json=body)
    assert refused.status_code == 400
    assert f"use one of {FIRST}, " in str(error_of(refused)["message"])

    listed = await client.get("/v1/audio/voices", params={"model": "tiny-bark"})
    assert {voice["id"]: voice["language"] for voice in listed.json()["data"]} == {
        voice: voice[3:5] for voice in VOICES
    }
