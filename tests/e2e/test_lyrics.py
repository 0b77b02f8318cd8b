"""Songs from the running product: by HTTP, by the client and from the command line."""

import json
import time
from itertools import groupby

import pytest

from orfeon import Orfeon
from services.lyrics.repetition import longest_run
from tests.e2e.conftest import Product

#: Those the service comes with.
GENRES = {"ballad", "couplets", "pop", "rap", "rock", "sonnet"}


@pytest.mark.parametrize("genre", ["rock", "pop", "rap"])
def test_a_whole_song_comes_line_by_line(product: Product, genre: str) -> None:
    events, times = [], []
    with (
        product.http() as http,
        http.stream("POST", "/v1/lyrics", json={"genre": genre, "stream": True}) as response,
    ):
        assert response.status_code == 200
        for line in response.iter_lines():
            if line.startswith("data: {"):
                events.append(json.loads(line.removeprefix("data: ")))
                times.append(time.monotonic())
    assert [kind for kind, _ in groupby(event["type"] for event in events)] == [
        "lyrics.created",
        "lyrics.line",
        "lyrics.done",
    ]
    lines = events[1:-1]
    assert [kind for kind, _ in groupby(line["kind"] for line in lines)] == [
        "verse", "chorus", "verse", "chorus", "bridge", "chorus",
    ]  # fmt: skip
    assert len(lines) == 24
    assert longest_run([line["text"] for line in lines]) < 3
    assert times[-1] - times[1] > 0.3, "the song was not streamed"


def test_the_command_and_the_client_write_songs_alike(product: Product) -> None:
    first = "I packed my bag at midnight"
    asked = ("--sections", "verse,chorus", "--lines", "2", "--seed", "7", "--first-line", first)
    printed = product.orfeon("lyrics", "rock", *asked)
    with Orfeon(product.url, product.key, timeout=120) as client:
        song = client.write_lyrics(
            genre="rock", sections=["verse", "chorus"], lines=2, seed=7, first_line=first
        )
    for text in (printed.stdout, song.text + "\n"):
        verse, chorus = text.split("\n\n")
        assert verse.splitlines()[:2] == ["[Verse]", first]
        assert chorus.splitlines()[0] == "[Chorus]"
        assert len(verse.splitlines()) == len(chorus.splitlines()) == 3
    assert "seed 7" in printed.stderr
    assert song.seed == 7


def test_the_genres_are_listed_with_their_base(product: Product) -> None:
    with Orfeon(product.url, product.key) as client:
        models = {model.id: model for model in client.models() if model.capability == "lyrics"}
    base = models.pop("smollm2-135m-lyrics")
    assert set(models) == GENRES
    assert {(model.base, model.resident_bytes) for model in models.values()} == {(base.id, 0)}
    assert (base.base, base.tasks) == (None, ("text",))
    assert "smollm2-135m-lyrics" in product.orfeon("ps").stdout
    assert "\nrock" not in product.orfeon("ps").stdout


def test_a_genre_that_is_not_there_is_one_sentence(product: Product) -> None:
    failed = product.orfeon("lyrics", "polka")
    assert failed.returncode == 1
    named = ", ".join(sorted(GENRES))
    assert failed.stderr == f"orfeon: There is no genre 'polka' here; there are: {named}.\n"
