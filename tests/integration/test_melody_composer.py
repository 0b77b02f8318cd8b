"""The composer for real: trained from a corpus, exported, and the shipped one with its band."""

import itertools
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import miditok  # type: ignore[import-untyped]
import numpy as np
import pytest
import symusic
import torch

from services.melody.__main__ import MELODY
from services.melody.composer import Composer
from services.melody.engine import (
    TUNE_RATE,
    MelodyRequest,
    Musician,
    Notation,
    Progress,
    Score,
    Section,
    Sound,
    Started,
    Stem,
)
from services.melody.form import plan
from services.melody.onnx_engine import OnnxNetwork
from services.melody.symbolic_engine import RATE, SymbolicEngine
from services.melody.tokens import Bar, Vocabulary, encode
from services.melody.training.controls import Scale
from services.melody.training.examples import Corpus, Examples
from services.melody.training.export import export
from services.melody.training.network import Shape
from services.melody.training.run import Recipe, Run, trained
from services.runtime.errors import InvalidRequest
from services.runtime.registry import Registry
from services.runtime.residency.placement import CPU, Placement
from services.runtime.worker import Cancellation
from tests.unit.melody.composing import PROFILES

SONG = (Section("verse", (8, 8, 8, 8)), Section("chorus", (6, 6)), Section("chorus", (6, 6)))


def write_corpus(folder: Path) -> None:
    """Eleven songs and two grooves in the corpora's own formats; the tenth song is held out."""
    for number in range(1, 12):
        song = folder / "pop909" / f"{number:03}"
        song.mkdir(parents=True)
        beats, bars = 128, 32
        (song / "beat_midi.txt").write_text(
            "".join(f"{beat * 0.5} 0.0 {float(beat % 4 == 0)}\n" for beat in range(beats))
        )
        chords = itertools.cycle(["D:maj", "B:min7/b3", "G:maj7", "A:sus2"])
        (song / "chord_midi.txt").write_text(
            "".join(f"{bar * 2}.0\t{bar * 2 + 2}.0\t{next(chords)}\n" for bar in range(bars))
        )
        (song / "key_audio.txt").write_text("0.0\t64.0\tD:maj\n")
        file: Any = symusic.Score(480)
        file.tempos.append(symusic.Tempo(0, qpm=120))
        tune = itertools.cycle([62, 67, 66, 69, 73 - 2 * (number % 2), 73])
        for name, part in (
            ("MELODY", [(at, next(tune), 200) for at in range(16 * 480, 60 * 480, 240)]),
            ("BRIDGE", [(at, 74, 400) for at in range(0, 8 * 480, 480)]),
            (
                "PIANO",
                [(at, 38 + at // 1920 % 2 * 7, 900) for at in range(0, 64 * 480, 960)],
            ),
        ):
            track: Any = symusic.Track(name, 0, False)
            for at, pitch, length in part:
                track.notes.append(symusic.Note(at * 2, length, pitch, 90))
            file.tracks.append(track)
        file.dump_midi(song / f"{number:03}.mid")
    groove = folder / "groove"
    groove.mkdir()
    rows = ["id,style,bpm,beat_type,time_signature,midi_filename,split"]
    for name, split in (("one", "train"), ("two", "test")):
        drums: Any = symusic.Score(480)
        kit: Any = symusic.Track("drums", 0, True)
        for at in range(0, 8 * 1920, 240):
            kit.notes.append(symusic.Note(at, 60, 36 if at % 960 == 0 else 42, 90))
        drums.tracks.append(kit)
        drums.dump_midi(groove / f"{name}.mid")
        rows.append(f"{name},rock/one,120,beat,4-4,{name}.mid,{split}")
    (groove / "info.csv").write_text("\n".join(rows) + "\n")


@pytest.fixture(scope="module")
def corpus(tmp_path_factory: pytest.TempPathFactory) -> Corpus:
    folder = tmp_path_factory.mktemp("corpus")
    write_corpus(folder)
    return Corpus.read(folder)


def test_songs_are_read_in_c_and_held_out_by_song(corpus: Corpus) -> None:
    assert [song.name for song in corpus.held_out_songs] == ["010"]
    assert len(corpus.songs) == 10
    song = corpus.songs[0]
    assert (song.mode, song.tempo) == ("major", 120)
    assert [bar.chords[0][1:] for bar in song.bars[:4]] == [
        (0, "maj"), (9, "min7"), (5, "maj7"), (2, "sus4"),
    ]  # fmt: skip
    assert song.bars[0].left is None
    sung = next(bar for bar in song.bars if bar.left)
    assert [pitch % 12 for _, pitch, _ in sung.lead][:4] == [0, 5, 4, 7]
    assert encode(sung)[1].startswith("Left_")
    assert (len(corpus.grooves), len(corpus.held_out_grooves)) == (1, 1)
    assert set(corpus.grooves[0].bars[0].hits) >= {(0, "kick"), (2, "hat")}


def test_a_training_becomes_a_model_that_composes(corpus: Corpus, tmp_path: Path) -> None:
    vocabulary, scale = Vocabulary.full(), Scale(corpus.songs)
    known = Examples(corpus.songs, corpus.grooves, scale, vocabulary)
    held_out = Examples(corpus.held_out_songs, corpus.held_out_grooves, scale, vocabulary)
    shape = Shape(len(vocabulary), width=32, layers=2, heads=2)
    recipe = Recipe(steps=6, batch=2, warmup=2, every=3, rate=5e-3)
    losses: list[dict[str, float]] = []

    Run(shape, recipe, tmp_path / "run").train(known, held_out, losses.append)
    assert losses[-1]["held_out"] < losses[0]["held_out"]
    again = Run(shape, recipe, tmp_path / "run")
    assert (again.step, again.history) == (6, losses)

    network = trained(tmp_path / "run")
    onnx = OnnxNetwork(export(network, tmp_path / "model"))
    tokens = known.song(0, 0)[:60]
    reading = onnx.begin()
    reading.read(tokens[:20])
    for token in tokens[20:]:
        logits = reading.read([token])
    expected = network(torch.tensor([tokens]))[0, -1].detach().numpy()
    assert np.abs(logits - expected).max() < 0.02

    composer = Composer(onnx, Vocabulary.load(tmp_path / "model" / "vocabulary.json"))
    request = MelodyRequest(1, sections=SONG)
    decided = plan(request, PROFILES, np.random.default_rng(1))
    passages = list(composer.compose(decided, request, PROFILES[decided.genre], Cancellation()))
    assert [passage.kind for passage in passages] == [section.kind for section in SONG]


@pytest.fixture(scope="module")
def musician(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Musician]:
    """The default model, as it is shipped."""
    registry = Registry(tmp_path_factory.mktemp("home"), [MELODY.models], MELODY.name)
    manifest = registry.resolve("", "music")
    placement = Placement(((CPU, manifest.memory_bytes),))
    musician = SymbolicEngine().load(manifest, registry.folder(manifest), placement)
    yield musician
    musician.close()


def only(pieces: list[object], kind: type) -> list[object]:
    return [piece for piece in pieces if isinstance(piece, kind)]


def test_a_song_comes_with_all_that_was_asked(musician: Musician) -> None:
    request = MelodyRequest(
        5,
        genre="rock",
        seconds=40.0,
        sections=SONG,
        artifacts=frozenset({"midi", "musicxml", "score", "stems"}),
    )
    pieces: list[object] = list(musician.compose(request, Cancellation()))
    started = pieces[0]
    assert isinstance(started, Started)
    assert (started.seconds, started.rate, started.genre) == (40.0, RATE, "rock")
    sound = np.concatenate([p.samples for p in pieces if isinstance(p, Sound)])
    assert sound.shape == (40 * RATE, 2)
    assert 0.05 < np.abs(sound).max() <= 1
    done = [piece.done for piece in pieces if isinstance(piece, Progress)]
    assert done == sorted(done)
    assert done[-1] == 1
    score = next(piece for piece in pieces if isinstance(piece, Score))
    assert [len(line.notes) for line in score.lines] == [8, 8, 8, 8, 6, 6, 6, 6]
    assert [line.section for line in score.lines] == [0, 0, 0, 0, 1, 1, 2, 2]
    assert [note.pitch for line in score.lines[4:6] for note in line.notes] == [
        note.pitch for line in score.lines[6:] for note in line.notes
    ]
    assert score.lines[-1].notes[-1].end <= 40
    assert {piece.name for piece in pieces if isinstance(piece, Notation)} == {
        "melody.mid", "melody.musicxml",
    }  # fmt: skip
    parts = [piece.part for piece in pieces if isinstance(piece, Stem)]
    assert [part for part, _ in itertools.groupby(parts)] == ["lead", "chords", "bass", "drums"]


def midi(musician: Musician, request: MelodyRequest) -> bytes:
    return next(
        piece.data
        for piece in musician.compose(request, Cancellation())
        if isinstance(piece, Notation)
    )


def asked(seed: int, **what: object) -> MelodyRequest:
    return MelodyRequest(
        seed,
        artifacts=frozenset({"midi"}),
        silent=True,
        seconds=8.0,
        **what,  # type: ignore[arg-type]
    )


def test_a_seed_gives_the_same_bytes(musician: Musician) -> None:
    assert midi(musician, asked(3)) == midi(musician, asked(3))
    assert midi(musician, asked(3)) != midi(musician, asked(4))


def test_each_genre_has_its_tempo_and_its_drums(musician: Musician) -> None:
    drums = {}
    for genre in musician.genres:
        file: Any = symusic.Score.from_midi(midi(musician, asked(3, genre=genre.name)))
        assert genre.slowest * 0.97 <= file.tempos[0].qpm <= genre.fastest * 1.03
        track = next(track for track in file.tracks if track.is_drum)
        drums[genre.name] = tuple((note.pitch, note.start) for note in track.notes)
        assert drums[genre.name]
    assert len(drums) >= 10
    assert len(set(drums.values())) == len(drums)


def test_a_tune_is_heard_in_the_piece(musician: Musician) -> None:
    tune = [60, 64, 67, 65, 62, 60]
    times = np.arange(int(0.5 * TUNE_RATE)) / TUNE_RATE
    sung = np.concatenate(
        [
            0.3 * np.sin(2 * np.pi * 440 * 2 ** ((pitch - 69) / 12) * times) * (times < 0.45)
            for pitch in tune
        ]
    ).astype(np.float32)
    request = asked(3, tune=sung, tempo=120.0, sections=(Section("chorus"),))
    file: Any = symusic.Score.from_midi(midi(musician, request))
    lead = [note.pitch for note in file.tracks[0].notes][: len(tune)]
    assert np.diff(lead).tolist() == np.diff(tune).tolist()


@pytest.mark.parametrize(
    ("request_", "param"),
    [
        (MelodyRequest(1, task="sound", prompt="rain"), "task"),
        (MelodyRequest(1, genre="polka"), "genre"),
        (MelodyRequest(1, tune=np.zeros(TUNE_RATE, np.float32)), "file"),
        (MelodyRequest(1, sections=SONG, seconds=3.0), "duration"),
    ],
)
def test_a_refusal_comes_before_anything_else(
    musician: Musician, request_: MelodyRequest, param: str
) -> None:
    with pytest.raises(InvalidRequest) as refused:
        next(musician.compose(request_, Cancellation()))
    assert refused.value.param == param


def test_whoever_leaves_ends_the_work(musician: Musician) -> None:
    cancelled = Cancellation()
    pieces = musician.compose(MelodyRequest(1, seconds=180.0), cancelled)
    assert isinstance(next(pieces), Started)
    next(pieces)
    cancelled.set()
    rest = [piece.samples for piece in pieces if isinstance(piece, Sound)]
    assert sum(map(len, rest)) < 30 * RATE


def test_the_lead_is_written_as_remi_writes_it() -> None:
    bars = [
        Bar(0, None, ((0, 0, "maj"),), (), ((0, 60, 2), (3, 64, 1), (6, 67, 8))),
        Bar(1, None, ((0, 7, "maj"),), (), ((2, 71, 2), (4, 72, 12))),
    ]
    file: Any = symusic.Score(480)
    track: Any = symusic.Track("lead", 0, False)
    for number, bar in enumerate(bars):
        for at, pitch, length in bar.lead:
            start = (number * 16 + at) * 120
            track.notes.append(symusic.Note(start, length * 120, pitch, 90))
    file.tracks.append(track)
    config = miditok.TokenizerConfig(
        pitch_range=(48, 85), beat_res={(0, 4): 4}, use_velocities=False
    )
    remi: Any = miditok.REMI(config)(file)
    theirs = [token for token in remi[0].tokens if not token.startswith("TimeSig")]

    ours: list[str] = []
    for bar in bars:
        # REMI says the position of the first beat too, and lengths in beats, parts and resolution.
        tokens = [each for each in encode(bar) if not each.startswith(("Played", "Chord"))]
        if bar.lead[0][0] == 0:
            tokens.insert(1, "Position_0")
        ours += ["Bar_None", *tokens[1:]]
    assert [_lasting(token) for token in ours] == theirs


def _lasting(token: str) -> str:
    kind, _, value = token.partition("_")
    if kind != "Duration":
        return token
    beats, parts = divmod(int(value), 4)
    return f"Duration_{beats}.{parts}.4"
