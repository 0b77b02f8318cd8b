"""What training reads, and the passages that it makes of it."""

import csv
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pyarrow
import pyarrow.parquet
import pytest

from services.lyrics.genre import Genre
from services.lyrics.training.architectures import permuted
from services.lyrics.training.errors import TrainingError
from services.lyrics.training.passages import Passages, counts, passages, write
from services.lyrics.training.recipe import Recipe, full, lora
from services.lyrics.training.songs import COLUMNS, Song, cleaned, songs
from services.lyrics.training.verse import poems
from services.runtime.llama.generation import Message, Prompt
from services.runtime.training.history import History

GENRE = Genre(prompt="You sing.", template="text")
ROWS = [
    ("One", "Rock", "A", "la la\n\nlo lo", "en"),
    ("Two", "rock", "B", "ja ja", "de"),
    ("Three", "pop", "C", "na na", "en"),
    ("Four", "rock", "D", " \n", "en"),
]


class Letters:
    """A token for each letter."""

    end = 0

    def conversation(self, messages: Sequence[Message]) -> Prompt:
        return self.text("".join(f"{message.role}: {message.text}\n" for message in messages))

    def lengths(self, lines: list[str]) -> list[int]:
        return list(map(len, lines))

    def text(self, text: str) -> Prompt:
        return Prompt(tuple(map(ord, text)))


def text_of(tokens: Sequence[int]) -> str:
    return "".join(map(chr, tokens))


def table(folder: Path, kind: str) -> Path:
    path = folder / f"songs.{kind}"
    if kind == "csv":
        with path.open("w", encoding="utf-8-sig", newline="") as file:
            csv.writer(file).writerows([COLUMNS, *ROWS])
    else:
        columns = zip(*ROWS, strict=True)
        pyarrow.parquet.write_table(pyarrow.table(dict(zip(COLUMNS, columns, strict=True))), path)
    return path


@pytest.mark.parametrize("kind", ["csv", "parquet"])
def test_songs_are_those_of_the_genre_and_the_language(kind: str, tmp_path: Path) -> None:
    path = table(tmp_path, kind)
    read: list[int] = []
    found = list(songs(path, "ROCK", "en", read.append))
    assert found == [Song("One", "A", "[Verse 1]\nla la\n\n[Verse 2]\nlo lo")]
    assert sum(read) == path.stat().st_size
    assert [song.title for song in songs(path, "rock", "", read.append)] == ["One", "Two"]
    with pytest.raises(TrainingError, match="its tags are: Rock, pop, rock"):
        list(songs(path, "polka", "en", read.append))


def test_who_reads_other_tables_has_the_limits_that_there_were(tmp_path: Path) -> None:
    before = csv.field_size_limit()
    path = tmp_path / "long.csv"
    with path.open("w", encoding="utf-8", newline="") as file:
        long = ("Long", "rock", "A", "la\n" * 100_000, "en")
        csv.writer(file).writerows([COLUMNS, long])
    assert [song.title for song in songs(path, "rock", "en", lambda _: None)] == ["Long"]
    assert csv.field_size_limit() == before


def test_sections_get_the_headings_that_the_service_writes() -> None:
    lyrics = (
        "[Intro]\nOh\n[Hook: All]\n  la   la\n[Verse 7: Me]\nlo\x07\n\nli\n[Skit]\nlu\n[Outro]\n"
    )
    assert cleaned(lyrics) == (
        "[Intro]\nOh\n\n[Chorus]\nla la\n\n[Verse 1]\nlo\n\n[Verse 2]\nli\n\n[Verse 3]\nlu"
    )
    assert cleaned("[Chorus]\n\n") == ""


def test_a_song_is_cut_into_whole_lines_and_only_its_end_is_an_end() -> None:
    song = Song("Home", "Me", "[Verse 1]\n" + "\n".join(f"line {number}" for number in range(20)))
    parts = list(passages(song, 0, Letters(), GENRE, language="en", length=240))
    assert len(parts) > 1
    assert all(len(prompt) + len(passage) <= 240 for prompt, passage in parts)
    assert 'It is called "Home".' in text_of(parts[0][0])
    assert 'in the style of "Me"' in text_of(parts[0][0])
    assert all(passage[-1] == ord("\n") for _, passage in parts[:-1])
    assert parts[-1][1][-1] == Letters.end
    whole = text_of([token for _, passage in parts for token in passage[: len(passage)]])
    assert whole == f"Home\n\n{song.lyrics}\n\0"
    assert "Home" not in text_of(
        next(passages(song, 1, Letters(), GENRE, language="en", length=240))[0]
    )


def test_every_tenth_different_song_is_held_out(tmp_path: Path) -> None:
    many = [Song("", "", f"song {number // 2}") for number in range(40)]
    write(tmp_path, many, Letters(), GENRE, language="en", length=200)
    assert counts(tmp_path) == (18, 2)
    held_out = Passages(tmp_path, "held-out")
    assert [text_of(held_out[at].tokens[held_out[at].prompt :].tolist()) for at in range(2)] == [
        "song 9\n\0", "song 19\n\0",
    ]  # fmt: skip
    assert len(Passages(tmp_path, "train")) == 18


def test_too_few_songs_are_refused_and_leave_nothing_to_train_on(tmp_path: Path) -> None:
    with pytest.raises(TrainingError, match="1 different songs"):
        write(tmp_path, [Song("", "", "la")] * 50, Letters(), GENRE, language="en", length=200)
    assert counts(tmp_path) is None


def test_the_default_recipe_is_that_of_the_first_three_genres() -> None:
    recipe = full("songs.csv", "gpt2-medium", "rap", "en")
    assert (recipe.steps, recipe.learning_rate, recipe.eval_every) == (1000, 3e-5, 500)
    assert (recipe.batch, recipe.accumulation) == (4, 4)


def test_a_recipe_comes_back_as_it_was_saved(tmp_path: Path) -> None:
    recipe = lora("songs.csv", "base", "rap", "en")
    recipe.save(tmp_path / "recipe.json")
    assert Recipe.load(tmp_path / "recipe.json") == recipe
    (tmp_path / "recipe.json").write_text("[]")
    with pytest.raises(TrainingError, match="no training to resume"):
        Recipe.load(tmp_path / "recipe.json")


def test_rows_are_paired_as_the_rotary_embedding_takes_them() -> None:
    rows = np.arange(8, dtype=np.float32)
    assert permuted(rows, 1).tolist() == [0, 4, 1, 5, 2, 6, 3, 7]
    assert permuted(rows, 2).tolist() == [0, 2, 1, 3, 4, 6, 5, 7]


def test_a_history_keeps_the_later_of_two_entries() -> None:
    log = [{"step": 0, "eval_loss": 5.0}, {"step": 1, "loss": 4.0}, {"step": 0, "eval_loss": 4.5}]
    assert History.read(log) == History(((1, 4.0),), ((0, 4.5),))


def test_verse_is_told_apart_by_its_rhymes(tmp_path: Path) -> None:
    path = tmp_path / "poet.txt"
    quatrain = "RHYME a b a b \n\n a1\n b1\n a2\n b2\n\n"
    path.write_text(
        f"AUTHOR A Poet\n\nTITLE One\n\n{quatrain}{quatrain}RHYME a a *\n\nc\nc\n\n"
        "RHYME a b c\n\nx\ny\nz\n\nTITLE Two\n\nRHYME a b\n\n" + "s\n" * 14
    )
    assert [(poem.title, poem.form, poem.poet, len(poem.stanzas)) for poem in poems(path)] == [
        ("One", "ballad", "A Poet", 2), ("One", "couplets", "A Poet", 1),
        ("Two", "sonnet", "A Poet", 1),
    ]  # fmt: skip
