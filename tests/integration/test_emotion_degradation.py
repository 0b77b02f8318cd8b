"""What happens to a voice on its way, measured on samples."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from services.emotion.corpora import CorpusError, Recording, Skipped, listened
from services.emotion.degradation import (
    Augmentation,
    babble,
    clipped,
    gained,
    impulse_response,
    mixed,
    mp3,
    opus,
    played,
    reverberated,
    sounds,
    telephone,
    white,
)
from services.emotion.engine import SAMPLE_RATE, Samples
from tests.integration.voices import synthetic, wav

RANDOM = np.random.default_rng


def power(samples: Samples) -> float:
    return float(np.mean(np.square(samples, dtype=np.float64)))


def tone(hertz: float, seconds: float = 1.0) -> Samples:
    times = np.arange(int(seconds * SAMPLE_RATE)) / SAMPLE_RATE
    return (0.3 * np.sin(2 * np.pi * hertz * times)).astype(np.float32)


def through_room(samples: Samples) -> Samples:
    return reverberated(samples, 0.5, RANDOM(0))


def in_noise(samples: Samples) -> Samples:
    return mixed(samples, white(100, RANDOM(1)), 10, RANDOM(0))


#: All that leave a clip as long as it was.
SAME_LENGTH: list[Callable[[Samples], Samples]] = [
    mp3,
    opus,
    telephone,
    through_room,
    in_noise,
    lambda samples: gained(samples, 20),
    lambda samples: clipped(samples, 10),
]


@pytest.mark.parametrize("degrade", SAME_LENGTH)
@pytest.mark.parametrize("size", [0, 1, 160, 16_001])
def test_a_clip_of_any_length_stays_as_long(
    degrade: Callable[[Samples], Samples], size: int
) -> None:
    before = tone(440)[:1] if size == 1 else np.resize(tone(440), size)
    kept = before.copy()
    heard = degrade(before)
    assert heard.shape == before.shape
    assert heard.dtype == np.float32
    assert np.isfinite(heard).all()
    assert np.abs(heard).max(initial=0) <= 1
    np.testing.assert_array_equal(before, kept)


@pytest.mark.parametrize("snr", [20, 0, -5])
def test_noise_is_as_far_below_the_voice_as_was_asked(snr: float) -> None:
    voice = 0.1 * tone(440)
    silence = np.zeros(SAMPLE_RATE, np.float32)
    around = np.concatenate([silence, voice, silence])
    for before in (voice, around):
        heard = mixed(before, 0.01 * white(SAMPLE_RATE, RANDOM(1)), snr, RANDOM(0))
        ratio = 10 * np.log10(power(voice) / power(heard - before))
        assert ratio == pytest.approx(snr, abs=0.1)


def test_silence_and_silent_noise_change_nothing() -> None:
    voice, nothing = synthetic(), np.zeros(SAMPLE_RATE, np.float32)
    np.testing.assert_array_equal(mixed(voice, nothing, 0, RANDOM(0)), voice)
    np.testing.assert_array_equal(mixed(nothing, voice, 0, RANDOM(0)), nothing)
    np.testing.assert_array_equal(mixed(voice, nothing[:0], 0, RANDOM(0)), voice)


def test_babble_is_several_voices_equally_loud() -> None:
    loud, quiet = tone(300), 0.01 * tone(1000)
    heard = babble([loud, quiet], 2 * SAMPLE_RATE, RANDOM(0), talkers=2)
    strength = np.abs(np.fft.rfft(heard))
    assert strength[2 * 300] == pytest.approx(strength[2 * 1000], rel=0.05)


def test_a_room_dies_away_by_60_db_in_its_time() -> None:
    response = impulse_response(0.4, RANDOM(0))
    assert response[0] == 1
    # Schroeder's backward integration.
    left = 10 * np.log10(np.cumsum(np.square(response[1:], dtype=np.float64)[::-1])[::-1])
    slope = (left[int(0.2 * SAMPLE_RATE)] - left[0]) / 0.2
    assert slope == pytest.approx(-60 / 0.4, rel=0.1)


def test_a_telephone_carries_the_middle_alone() -> None:
    def kept(hertz: float) -> float:
        return power(telephone(tone(hertz))) / power(tone(hertz))

    assert kept(1000) == pytest.approx(1, abs=0.1)
    assert kept(100) < 0.05
    assert kept(5000) < 0.01


@pytest.mark.parametrize("codec", [mp3, opus])
def test_a_codec_gives_back_the_voice_in_time_but_not_the_same(
    codec: Callable[[Samples], Samples],
) -> None:
    voice = synthetic()
    heard = codec(voice)
    between = np.correlate(heard, voice[800:-800], "valid")
    # A delay would make whatever aligns labels with time wrong.
    assert abs(int(between.argmax()) - 800) <= 16
    assert 0.9 < np.corrcoef(heard, voice)[0, 1] < 0.99999


def test_gain_and_clipping_cut_off() -> None:
    assert gained(tone(440), 20).max() == 1
    assert power(gained(tone(440), -6)) == pytest.approx(power(tone(440)) * 10**-0.6, rel=1e-3)
    assert np.abs(clipped(tone(440), 6)).max() == pytest.approx(0.3 * 10**-0.3, rel=1e-3)


def test_faster_is_shorter_and_higher() -> None:
    heard = played(tone(1000), 1.25)
    assert heard.size == pytest.approx(SAMPLE_RATE / 1.25, abs=2)
    strength = np.abs(np.fft.rfft(heard))
    assert strength.argmax() * SAMPLE_RATE / heard.size == pytest.approx(1250, abs=2)


def test_the_same_seed_makes_the_same_copy_and_another_does_not() -> None:
    voice = synthetic(1)
    copies = [Augmentation(speed=1, noise=1)(voice, RANDOM(seed)) for seed in (1, 1, 2)]
    np.testing.assert_array_equal(copies[0], copies[1])
    assert copies[0].shape != copies[2].shape


def test_all_that_may_happen_can_happen_at_once() -> None:
    always = Augmentation(
        {"tone": [tone(300)]}, speed=1, room=1, noise=1, white=0, line=1, clipping=1, gain=1
    )
    for seed in range(6):
        heard = always(synthetic(1), RANDOM(seed))
        assert np.isfinite(heard).all()
        assert 0 < np.abs(heard).max() <= 1


def test_noise_is_read_by_kind_and_fold_without_its_silent_ends(tmp_path: Path) -> None:
    silence = np.zeros(SAMPLE_RATE, np.float32)
    for name in ("rain/1-17-A.wav", "rain/4-18-A.wav", "dog/2-19-A.wav", "dog/barking.wav"):
        path = tmp_path / name
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(wav(np.concatenate([silence, tone(440), silence])))
    (tmp_path / "rain" / "1-20-A.wav").write_bytes(b"no audio")
    (tmp_path / "rain" / "1-21-A.wav").write_bytes(wav(silence))
    found = sounds(tmp_path, {1, 2})
    assert {kind: len(recordings) for kind, recordings in found.items()} == {"rain": 1, "dog": 2}
    assert found["rain"][0].size == pytest.approx(SAMPLE_RATE, abs=10)
    with pytest.raises(CorpusError, match="no noise of the folds 3"):
        sounds(tmp_path / "rain", {3})


def test_what_cannot_be_read_is_named_and_the_rest_is_heard(tmp_path: Path) -> None:
    (tmp_path / "good.wav").write_bytes(wav(tone(440)))
    (tmp_path / "bad.wav").write_bytes(b"RIFF, but nothing else")
    (tmp_path / "empty.wav").write_bytes(b"")
    (tmp_path / "long.wav").write_bytes(wav(tone(440, 61)))
    names = ("good.wav", "bad.wav", "empty.wav", "long.wav", "nowhere.wav")
    skipped: list[Skipped] = []
    heard = list(listened([Recording(tmp_path / name, "a") for name in names], skipped))
    assert [recording.path.name for recording, _ in heard] == ["good.wav"]
    assert [each.path.name for each in skipped] == list(names[1:])
    assert all(each.reason.endswith(".") for each in skipped)
