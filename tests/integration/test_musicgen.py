"""MusicGen through transformers: real code, random weights of the same architecture, on disk."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import transformers
from numpy.typing import NDArray

from services.melody.engine import (
    TUNE_RATE,
    MelodyRequest,
    Musician,
    Piece,
    Progress,
    Section,
    Sound,
    Started,
)
from services.melody.musicgen_engine import MusicgenEngine
from services.runtime.errors import InvalidRequest
from services.runtime.worker import Cancellation
from tests.placed import on_cpu
from tests.tiny_musicgen import FRAMES, RATE, manifest_of, tiny_musicgen

Samples = NDArray[np.float32]
Load = Callable[..., Musician]


@pytest.fixture(scope="module")
def load(tmp_path_factory: pytest.TempPathFactory) -> Load:
    engine = MusicgenEngine(device="cpu", threads=1)
    folders: dict[tuple[bool, int], Path] = {}

    def loaded(*, melody: bool = False, channels: int = 1, **options: Any) -> Musician:
        folder = folders.get((melody, channels))
        if folder is None:
            folder = tmp_path_factory.mktemp("musicgen")
            folders[melody, channels] = tiny_musicgen(folder, melody=melody, channels=channels)
        manifest = manifest_of(folder, **{"window_seconds": 4, "overlap_seconds": 2, **options})
        return engine.load(manifest, folder, on_cpu(manifest))

    return loaded


@pytest.fixture(scope="module")
def musician(load: Load) -> Musician:
    return load()


def asking(**fields: Any) -> MelodyRequest:
    return MelodyRequest(**{"seed": 1, "prompt": "happy rock", "seconds": 2.0, **fields})


def pieces(musician: Musician, **fields: Any) -> list[Piece]:
    return list(musician.compose(asking(**fields), Cancellation()))


def heard(found: list[Piece]) -> Samples:
    return np.concatenate([piece.samples for piece in found if isinstance(piece, Sound)])


def sound(musician: Musician, **fields: Any) -> Samples:
    return heard(pieces(musician, **fields))


def tone(hertz: float, seconds: float = 3.0) -> Samples:
    times = np.arange(round(seconds * TUNE_RATE)) / TUNE_RATE
    return (0.5 * np.sin(2 * np.pi * hertz * times)).astype(np.float32)


def numpy_state() -> str:
    return repr(np.random.get_state(legacy=False))


def test_the_same_seed_gives_the_same_samples_and_another_gives_others(musician: Musician) -> None:
    first, again, other = sound(musician), sound(musician), sound(musician, seed=2)
    assert np.array_equal(first, again)
    assert not np.array_equal(first, other)
    assert np.isfinite(first).all()
    assert 0.01 < np.abs(first).max() <= 1.0


@pytest.mark.parametrize("channels", [1, 2])
@pytest.mark.parametrize("seconds", [1.0, 1.37, 4.0, 4.01])
def test_the_sound_is_as_long_as_it_was_said_to_be(
    load: Load, channels: int, seconds: float
) -> None:
    found = pieces(load(channels=channels), seconds=seconds)
    assert found[0] == Started(round(seconds * RATE) / RATE, RATE, channels)
    assert heard(found).shape == (round(seconds * RATE), channels)


def test_without_a_length_it_is_half_a_minute(musician: Musician) -> None:
    found = musician.compose(asking(seconds=None), Cancellation())
    assert next(found) == Started(30.0, RATE, 1)


def test_more_than_a_window_goes_on_from_its_end(musician: Musician) -> None:
    window, longer = sound(musician, seconds=4.0), sound(musician, seconds=35.0)
    assert len(longer) == 35 * RATE
    # The beginning is the same but for what the codec hears of the frames that follow.
    assert np.allclose(window[: 3 * RATE], longer[: 3 * RATE], atol=1e-4)
    assert longer[20 * RATE :].std() > 0.5 * window.std()


def test_progress_grows_to_one_before_the_sound(musician: Musician) -> None:
    found = pieces(musician, seconds=9.0)
    told = [piece.done for piece in found if isinstance(piece, Progress)]
    assert told == sorted(set(told))
    assert told[0] < 0.05
    assert told[-1] == 1.0
    kinds = [type(piece) for piece in found]
    assert kinds == [Started, *[Progress] * len(told), *[Sound] * (len(kinds) - 1 - len(told))]


def test_cancelling_ends_it_at_the_next_step(musician: Musician) -> None:
    cancelled = Cancellation()
    found = musician.compose(asking(seconds=180.0), cancelled)
    assert isinstance(next(found), Started)
    first = next(found)
    cancelled.set()
    # A step is a frame of 4,500, and progress is told for each hundredth.
    assert isinstance(first, Progress)
    assert first.done == pytest.approx(0.01, abs=0.002)
    assert list(found) == []


def test_it_draws_from_no_generator_but_its_own(musician: Musician) -> None:
    torch_before, numpy_before = torch.random.get_rng_state(), numpy_state()
    sound(musician)
    assert torch.equal(torch.random.get_rng_state(), torch_before)
    assert numpy_state() == numpy_before


@pytest.mark.parametrize("guidance", [1.0, 3.0])
@pytest.mark.parametrize("channels", [1, 2])
@pytest.mark.parametrize("melody", [False, True])
def test_it_writes_what_transformers_writes(
    load: Load, melody: bool, channels: int, guidance: float, tmp_path: Path
) -> None:
    ours = sound(
        load(melody=melody, channels=channels), prompt="sad rock", temperature=0.0,
        guidance=guidance, seconds=2.0,
    )  # fmt: skip
    tiny_musicgen(tmp_path, melody=melody, channels=channels)
    kind = "MusicgenMelody" if melody else "Musicgen"
    model = getattr(transformers, f"{kind}ForConditionalGeneration").from_pretrained(tmp_path)
    read = transformers.AutoTokenizer.from_pretrained(tmp_path)("sad rock", return_tensors="pt")
    theirs = model.generate(
        input_ids=read.input_ids, attention_mask=read.attention_mask,
        do_sample=False, guidance_scale=guidance, max_length=2 * FRAMES + 4,
    )  # fmt: skip
    assert np.allclose(ours, theirs[0].T.numpy(), atol=1e-5)


@pytest.mark.parametrize("melody", [False, True])
def test_with_a_cache_of_fixed_size_under_a_compiler_it_writes_the_same(
    load: Load, melody: bool
) -> None:
    plain, compiled = load(melody=melody), load(melody=melody, compile="eager")
    for prompt in ("sad", "happy rock music"):
        expected = sound(plain, prompt=prompt, seconds=5.0)
        assert np.allclose(sound(compiled, prompt=prompt, seconds=5.0), expected, atol=1e-5)


@pytest.mark.parametrize(
    "fields",
    [
        {"prompt": "sad"},
        {"guidance": 1.0},
        {"temperature": 0.5},
        {"top_k": 1},
        {"top_p": 0.2},
        {"genre": "music"},
    ],
)
def test_what_is_asked_for_changes_what_is_heard(
    musician: Musician, fields: dict[str, Any]
) -> None:
    assert not np.array_equal(sound(musician, **fields), sound(musician))


def test_left_and_right_differ(load: Load) -> None:
    left, right = sound(load(channels=2)).T
    assert not np.array_equal(left, right)


def test_a_tune_is_followed_by_a_model_that_knows_how(load: Load, musician: Musician) -> None:
    follower = load(melody=True)
    without, high, low = (sound(follower, tune=tune) for tune in (None, tone(440.0), tone(261.6)))
    assert not np.array_equal(high, low)
    assert not np.array_equal(high, without)
    # An octave above is the same pitch class, and a shorter recording is heard again and again.
    assert np.array_equal(sound(follower, tune=tone(880.0, 0.3)), high)
    with pytest.raises(InvalidRequest) as refused:
        pieces(musician, tune=tone(440.0))
    assert refused.value.param == "file"


@pytest.mark.parametrize(
    ("fields", "param"),
    [
        ({"artifacts": frozenset({"midi"})}, "artifacts"),
        ({"silent": True}, "silent"),
        ({"sections": (Section("verse", (8, 8)),)}, "sections"),
        ({"task": "sound"}, "model"),
        ({"prompt": "happy " * 600}, "prompt"),
    ],
)
def test_what_it_cannot_do_is_refused_before_it_starts(
    musician: Musician, fields: dict[str, Any], param: str
) -> None:
    with pytest.raises(InvalidRequest) as refused:
        next(musician.compose(asking(**fields), Cancellation()))
    assert refused.value.param == param


def test_a_form_without_lines_is_no_obstacle(musician: Musician) -> None:
    form = (Section("verse"), Section("chorus"))
    assert np.array_equal(sound(musician, sections=form), sound(musician))


def test_another_kind_of_model_is_not_loaded(tmp_path: Path) -> None:
    transformers.T5Config().save_pretrained(tmp_path)
    manifest = manifest_of(tmp_path)
    with pytest.raises(ValueError, match="t5 is no MusicGen"):
        MusicgenEngine(device="cpu", threads=1).load(manifest, tmp_path, on_cpu(manifest))


def test_windows_that_would_not_move_on_are_not_loaded(load: Load) -> None:
    with pytest.raises(ValueError, match="overlap"):
        load(window_seconds=4, overlap_seconds=4)
