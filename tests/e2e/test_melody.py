"""Music from the running product: by HTTP, by the client and from the command line."""

import io
import zipfile
from pathlib import Path

import pytest

from orfeon import Orfeon
from services.runtime.audio import AudioLimits, decode
from tests.e2e.conftest import Product

RATE = 16_000


def seconds(file: bytes) -> float:
    return len(decode(io.BytesIO(file), RATE, AudioLimits(200))) / RATE


def test_a_genre_gives_music_of_the_length_asked_for(product: Product) -> None:
    with Orfeon(product.url, product.key, timeout=120) as orfeon:
        genres = {genre.id: genre for genre in orfeon.melody_genres()}
        assert len(genres) >= 3
        tune = orfeon.melody(genre="rock", duration=10, seed=7)
    assert seconds(tune.content) == pytest.approx(10, abs=0.5)
    assert tune.tempo is not None
    assert genres["rock"].slowest <= tune.tempo <= genres["rock"].fastest


def test_a_seed_gives_the_same_notes_again_and_another_others(product: Product) -> None:
    with Orfeon(product.url, product.key, timeout=120) as orfeon:
        first, again, other = [
            orfeon.melody(genre="pop", duration=8, seed=seed, response_format="midi").content
            for seed in (7, 7, 8)
        ]
    assert first.startswith(b"MThd")
    assert first == again != other


def test_the_lines_of_a_song_have_a_note_for_each_syllable(product: Product) -> None:
    body = {"sections": [{"kind": "verse", "lines": [8, 7]}], "response_format": "zip", "seed": 7}
    with product.http() as http:
        response = http.post("/v1/melodies", json=body)
    assert response.status_code == 200, response.text
    with zipfile.ZipFile(io.BytesIO(response.content)) as archive:
        assert {"melody.flac", "melody.mid", "melody.musicxml"} <= set(archive.namelist())
        score = archive.read("score.json").decode()
    assert score.count('"pitch"') == 15


def test_the_command_writes_a_file_and_tells_the_seed(product: Product, tmp_path: Path) -> None:
    done = product.orfeon("melody", "--duration", "5", "--seed", "3", "-o", str(tmp_path / "a.ogg"))
    assert (done.returncode, done.stderr) == (0, "seed 3\n")
    assert seconds((tmp_path / "a.ogg").read_bytes()) == pytest.approx(5, abs=0.5)


def test_what_makes_no_sense_is_refused_in_a_sentence(product: Product) -> None:
    with product.http() as http:
        for field, value in (("duration", 181), ("genre", "polka"), ("key", "H major")):
            response = http.post("/v1/melodies", json={field: value})
            assert response.status_code == 400
            assert response.json()["error"]["param"] == field
