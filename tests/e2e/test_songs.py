"""Songs from the running product: from a title and from a voice, heard again, and privately."""

import io
import json
import random
import re
import time
from pathlib import Path
from typing import Any

import av
import numpy as np
import pyloudnorm
import pytest

from orfeon import Orfeon
from tests.e2e.conftest import Product

#: What no log may hold.
WORD = "Quetzalcoatl"
#: Seconds that a song may take, on a machine that others share.
PATIENCE = 300


def sound(file: bytes) -> Any:
    """The samples of a file, shape `(samples, 2)`, at 44.1 kHz."""
    resampler = av.AudioResampler("flt", "stereo", 44_100)
    with av.open(io.BytesIO(file), "r") as container:
        parts = [
            part.to_ndarray().reshape(-1, 2)
            for frame in (*container.decode(audio=0), None)
            for part in resampler.resample(frame)
        ]
    return np.concatenate(parts)


@pytest.mark.parametrize("genre", ["rock", "pop", "rap"])
def test_a_song_by_the_command(product: Product, genre: str, tmp_path: Path) -> None:
    done = product.orfeon(
        "song", "--genre", genre, "--title", WORD, "--duration", "20", "--seed", "7",
        "-o", str(tmp_path / "song.mp3"), "--all", str(tmp_path / "all"),
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    samples = sound((tmp_path / "song.mp3").read_bytes())
    assert len(samples) / 44_100 == pytest.approx(20.0, abs=0.5)
    assert pyloudnorm.Meter(44_100).integrated_loudness(samples) == pytest.approx(-14.0, abs=1.0)
    assert float(np.abs(samples).max()) < 1.0
    lrc = (tmp_path / "all" / "lyrics.lrc").read_text("utf-8")
    times = [60 * int(m) + float(s) for m, s in re.findall(r"^\[(\d+):(\d+\.\d+)\]", lrc, re.M)]
    words = json.loads((tmp_path / "all" / "lyrics.json").read_text("utf-8"))["lines"]
    assert len(times) == len(words) >= 1
    assert times == sorted(times)
    assert all(0 <= second < 20 for second in times)
    for log in (product.home / "logs").glob("*.log"):
        assert WORD.lower() not in log.read_text("utf-8", "replace").lower(), log


def test_a_song_from_a_voice(product: Product) -> None:
    with Orfeon(product.url, product.key, timeout=PATIENCE) as client:
        spoken = product.client().audio.speech.create(
            model="tts-1", voice="joe", input="I am so glad to see you again."
        )
        job = client.songs.create(spoken.read(), genre="pop", duration=10.0, instrumental=True)
        done = client.jobs.wait(job.id)
        assert done.status == "completed"
        assert done.song.mood
        assert done.song.mood_probability is not None
        assert not list((product.home / "songs").glob("*/kept/voice"))


def test_songs_outlive_the_death_of_whatever_makes_them(product: Product) -> None:
    chance = random.Random(11)
    with product.http() as http:
        wish = {"sections": ["verse", "chorus"], "lines": 1, "instrumental": True}
        answers = [http.post("/v1/songs", json={**wish, "seed": seed}) for seed in range(3)]
        jobs = [answer.json()["id"] for answer in answers]
        for victim in ("song", "melody", "lyrics", "song"):
            time.sleep(chance.uniform(0.5, 3.0))
            product.service(victim).kill()
        end = time.monotonic() + PATIENCE
        states: list[str] = []
        while time.monotonic() < end:
            states = [http.get(f"/v1/jobs/{job}").json().get("status", "away") for job in jobs]
            if set(states) == {"completed"}:
                break
            assert "failed" not in states
            time.sleep(0.5)
        assert states == ["completed"] * 3
        for job in jobs:
            file = http.get(f"/v1/jobs/{job}/artifacts/song.mp3")
            assert len(sound(file.content)) > 44_100
    product.wait_ready()
