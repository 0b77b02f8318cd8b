"""Songs as HTML."""

import re
from typing import Any

import pytest

from orfeon.jobs import Job, job_of
from services.studio.pianoroll import Note, Track
from services.studio.songrecord import result
from services.studio.songview import history, progress, says
from services.studio.texts import LANGUAGES, Texts
from tests.fakes import jobs

EN, ES = Texts("en"), Texts("es")
EVIL = '"><script>alert(1)</script><img src=x onerror=alert(1)>'


def job(status: str = "in_progress", **said: Any) -> Job:
    return job_of(jobs.job(status, **said))


def words_of(html: str) -> str:
    return " ".join(re.sub(r"<[^>]*>", " ", html).split())


@pytest.mark.parametrize("t", [EN, ES])
@pytest.mark.parametrize("status", ["queued", "completed", "failed", "cancelled"])
def test_every_status_has_a_sentence(t: Texts, status: str) -> None:
    assert says(job(status), t).endswith(".")
    assert t(f"song.status_{status}") in history([job(status)], t)


def test_every_step_has_a_sentence_of_its_own() -> None:
    steps = ("emotion", "lyrics", "melody", "vocals", "mix")
    assert len({says(job(step=step), EN) for step in steps}) == len(steps)


def test_a_song_that_waits_says_its_place_and_how_long() -> None:
    waiting = job("queued", queue_position=2, estimated_seconds=34.4, progress=0)
    assert "Place 2 in the queue · about 34 seconds left" in progress(waiting, "", EN)
    assert "Puesto 2 en la cola · quedan unos 34 segundos" in progress(waiting, "", ES)
    long = job("queued", queue_position=2, estimated_seconds=301)
    assert "about 5 minutes left" in progress(long, "", EN)
    soon = job("queued", estimated_seconds=0.3)
    assert "about 2 seconds left" in progress(soon, "", EN)


def test_a_song_shows_how_far_it_is() -> None:
    html = progress(job(), "", EN)
    assert '<progress max="1" value="0.410"' in html
    assert '<li class="done">Lyrics</li>' in html
    assert '<li class="now" aria-current="step">Music</li>' in html
    assert '<li class="later">Singing</li>' in html
    assert "Voice heard" not in html


def test_the_step_that_hears_a_voice_is_shown_where_there_is_one() -> None:
    assert "Voice heard" in progress(job(step="emotion"), "", EN)
    heard = job(song=jobs.song(mood="sad", mood_probability=0.98))
    assert '<li class="done">Voice heard</li>' in progress(heard, "", EN)
    assert "Your voice sounded sad (98 %)." in progress(heard, "", EN)
    assert "En tu voz se oyó tristeza (98 %)." in progress(heard, "", ES)
    # What is heard is a noun there, also where it is nothing much.
    even = job(song=jobs.song(mood="neutral", mood_probability=0.6))
    assert "En tu voz se oyó neutralidad (60 %)." in progress(even, "", ES)


def test_an_instrumental_has_no_step_that_sings() -> None:
    assert "Singing" not in progress(job(step="mix"), "", EN)
    assert "Singing" in progress(job(step="mix", files=("vocals.mp3",)), "", EN)


@pytest.mark.parametrize("status", ["cancelled", "failed"])
def test_a_song_that_ended_badly_moves_no_bar(status: str) -> None:
    error = {"code": "odd", "message": "The disk is full."}
    html = progress(job(status, error=error), "Two cups", EN)
    assert "<progress" not in html
    assert ("The disk is full." in html) == (status == "failed")
    assert ("Two cups" in html) == (status == "failed")


def test_a_failure_is_told_in_the_language_of_the_page() -> None:
    error = {"code": "odd", "message": "It is odd."}
    assert "It is odd" in progress(job("failed", error=error), "", EN)
    assert "It is odd" not in progress(job("failed", error=error), "", ES)


def test_a_finished_song_has_a_player_its_lines_its_notes_and_all_files() -> None:
    tracks = [
        Track("lead", False, (Note(0, 1, 60), Note(1, 2, 64))),
        Track("drums", True, (Note(0, 20, 36),)),
    ]
    html = result(job_of(jobs.done()), [(4.6, "Two cups"), (9.2, "One chair")], tracks, EN)
    address = "/studio/jobs/song_1/artifacts"
    assert f'<audio controls preload="metadata" src="{address}/song.mp3"' in html
    assert f'<img src="{address}/cover.png" alt="Cover of Home"' in html
    assert '<button type="button" data-at="4.60">Two cups</button>' in html
    assert "Pop · 0:15 · 104 beats per minute · E minor" in html
    assert "Melody: 2 notes, C4 to E4" in html
    assert "Drums: 1 beats" in html
    assert 'viewBox="0 0 2000 ' in html  # The last note sounds longer than the song says.
    for name in jobs.FILES:
        assert f'href="{address}/{name}"' in html
    assert 'download="Home.mp3"' in html
    assert 'download="Home - stem-bass.flac"' in html
    assert "Bass alone (FLAC)" in html
    assert "2.5 MB" in html
    assert "Instrumental" not in html


def test_a_song_in_spanish_has_no_english_left() -> None:
    html = result(job_of(jobs.done()), [], [Track("bass", False, (Note(0, 1, 40),))], ES)
    for words in ("E menor", "Bajo: 1 notas", "2,5 MB", "Bajo por separado", "La canción (MP3)"):
        assert words in html


def test_a_song_without_a_voice_and_without_notes_says_so() -> None:
    html = result(job_of(jobs.job("completed", ("song.mp3",))), [], [], EN)
    assert "Instrumental" in html
    for part in ("karaoke", "piano-roll", "<img"):
        assert part not in html


@pytest.mark.parametrize("t", [Texts(language) for language in LANGUAGES])
def test_what_people_and_models_wrote_is_text(t: Texts) -> None:
    facts = jobs.song(genre=EVIL, title=EVIL, artist=EVIL, mood=EVIL, key=EVIL)
    error = {"code": EVIL, "message": EVIL}
    tracks = [Track(EVIL, False, (Note(0, 1, 60),))]
    shown = [
        progress(job(song=facts), EVIL, t),
        progress(job("failed", song=facts, error=error), EVIL, t),
        result(job_of(jobs.done(song=facts)), [(1, EVIL)], tracks, t),
        history([job(song=facts)], t),
    ]
    for html in shown:
        assert "<script" not in html
        assert "onerror=alert(1)>" not in html
        assert "&lt;script&gt;" in html


def test_songs_are_listed_with_links_and_times() -> None:
    html = history([job(), job_of(jobs.done(id="song_2"))], EN)
    assert words_of(html) == ("Untitled Pop · 14:13 UTC · being made Home Pop · 14:13 UTC · ready")
    assert '<a href="?job=song_2" data-open="song_2">' in html
    assert '<time datetime="2026-09-21T14:13:20Z">' in html
    assert "appear here" in history([], EN)
