"""The page `song`: from a wish over lyrics to a song that plays."""

import re
from pathlib import Path
from typing import Any

import av
import pytest
from playwright.sync_api import Download, Locator, Page, expect

from services.studio.texts import LANGUAGES, Texts
from tests.e2e.studio.browsers import OpenPage, accessible, fits
from tests.e2e.studio.conftest import Studio
from tests.e2e.studio.left import at_work, soon, uploads

EVIL = "<script>alert(1)</script> & <img src=x onerror=alert(1)>"
#: Milliseconds that a short song may take on a busy machine.
SONG = 120_000
#: How many lines are in the box.
LINES = "document.querySelector('#song-lyrics textarea').value.split('\\n').length"
#: Whether a line is wholly within the box of the lyrics, which has more than fit in it.
IN_BOX = """row => {
    const box = row.closest("ol");
    const [line, frame] = [row, box].map(each => each.getBoundingClientRect());
    return box.scrollHeight > box.clientHeight
        && line.top >= frame.top && line.bottom <= frame.bottom;
}"""


def wish(page: Page, t: Texts, genre: str, length: str = "short", **said: str) -> None:
    """Fills the form in: `said` are fields by their names in the texts."""
    choose(page, t("song.genre"), genre)
    choose(page, t("song.length"), length)
    for name, value in said.items():
        page.get_by_role("textbox", name=t(f"song.{name}"), exact=True).fill(value)


def choose(page: Page, group: str, value: str) -> None:
    radio = page.get_by_role("radiogroup", name=group).locator(f"input[value={value}]")
    radio.check()


def press(page: Page, t: Texts, name: str) -> None:
    page.get_by_role("button", name=t(f"song.{name}"), exact=True).click()


def lyrics(page: Page, t: Texts) -> Locator:
    # Its name goes on with what can be done there.
    return page.get_by_role("textbox", name=re.compile(f"^{t('song.lyrics')} "))


def written(page: Page, t: Texts) -> str:
    """Waits for the lyrics."""
    expect(page.locator("[data-says]")).to_have_text(t("song.written"), timeout=SONG)
    return lyrics(page, t).input_value()


def ready(page: Page, t: Texts) -> Locator:
    """Waits for the song; its player."""
    expect(page.locator(".says")).to_have_text(t("song.says_completed"), timeout=SONG)
    return page.get_by_role("region", name=t("song.making")).locator("audio")


def plays(page: Page, player: Locator) -> None:
    """Raises unless the song goes on, from any line that is clicked, and its lines with it."""
    last = page.locator("[data-at]").last
    last.click()
    at = float(last.get_attribute("data-at") or "nan")
    page.wait_for_function(
        "([player, at]) => player.currentTime > at + 0.5 && !player.error",
        arg=[player.element_handle(), at],
    )
    expect(last).to_have_attribute("aria-current", "true")
    expect(page.locator("[data-at][aria-current]")).to_have_count(1)
    assert page.locator(".playhead").evaluate("line => line.transform.baseVal[0].matrix.e") > 0
    player.evaluate("player => player.pause()")


def downloaded(page: Page, name: str) -> Download:
    with page.expect_download() as saved:
        page.get_by_role("link", name=name, exact=True).click()
    return saved.value


def seconds_of(path: Path) -> float:
    """The length of a recording, all of it decoded."""
    with av.open(path) as file:
        stream = file.streams.audio[0]
        return sum(frame.samples for frame in file.decode(stream)) / stream.rate


@pytest.mark.parametrize(("genre", "language"), [("pop", "en"), ("rock", "es"), ("rap", "en")])
def test_a_wish_becomes_a_song_that_plays_and_is_downloaded(
    open_page: OpenPage, genre: str, language: str
) -> None:
    page, t = open_page("song", language), Texts(language)
    wish(page, t, genre, title="Midnight Train", first_line="I packed my bag at midnight")
    press(page, t, "write")
    text = written(page, t)
    assert text.startswith(f"[{t('song.part_verse')}]\nI packed my bag at midnight\n")
    assert f"[{t('song.part_chorus')}]" in text
    press(page, t, "continue")
    player = ready(page, t)
    plays(page, player)
    cover = page.get_by_role("img", name=t("song.cover", title="Midnight Train"))
    expect(cover).to_be_visible()
    assert cover.evaluate("image => image.naturalWidth") > 100
    expect(page.locator(".piano-roll[role=img]")).to_be_visible()
    download = downloaded(page, t("song.file_song.mp3"))
    assert download.suggested_filename == "Midnight Train.mp3"
    assert 10 < seconds_of(Path(download.path())) < 60
    assert downloaded(page, t("song.file_melody.mid")).path().read_bytes()[:4] == b"MThd"
    expect(page.locator(".history [aria-current]")).to_contain_text("Midnight Train")
    accessible(page)
    fits(page)


@pytest.mark.parametrize("language", LANGUAGES)
def test_lyrics_as_they_were_edited_are_made_into_a_song_on_a_phone(
    open_page: OpenPage, language: str
) -> None:
    page, t = open_page("song", language, phone=True, dark=language == "es"), Texts(language)
    part = t("song.part_chorus")
    wish(page, t, "ballad", title=EVIL)
    lyrics(page, t).fill(f"<b>Two cups</b> on the table\n[{part}]\nCome home, come home")
    page.get_by_role("checkbox", name=t("song.instrumental")).check()
    press(page, t, "continue")
    expect(page.locator(".stage progress")).to_be_visible()
    fits(page)
    accessible(page)
    player = ready(page, t)
    plays(page, player)
    stage = page.locator(".stage")
    expect(stage).to_contain_text(t("song.no_voice"))
    expect(stage.locator(".karaoke")).to_contain_text("‹b›Two cups‹/b› on the table")
    expect(stage.get_by_role("heading", name=EVIL)).to_be_visible()
    expect(page.locator(".history").get_by_text(EVIL).first).to_be_visible()
    fits(page)
    accessible(page)


def test_lyrics_come_line_by_line_and_writing_can_be_stopped(
    open_page: OpenPage, studio: Studio
) -> None:
    page, t = open_page("song"), Texts("en")
    wish(page, t, "pop", "long")
    press(page, t, "write")
    count = page.wait_for_function(f"() => {LINES} > 1 && {LINES}").json_value()
    page.wait_for_function(f"() => {LINES} > {count}")
    press(page, t, "stop")
    expect(page.get_by_role("button", name=t("song.write"), exact=True)).to_be_visible()
    kept = lyrics(page, t).input_value()
    assert at_work(studio.product, studio.product.key) == []
    assert lyrics(page, t).input_value() == kept
    # Which comes late in a long song.
    assert "[Bridge]" not in kept
    # Another of the same wish, and then none.
    choose(page, t("song.length"), "short")
    press(page, t, "again")
    assert written(page, t) != kept
    press(page, t, "new")
    expect(lyrics(page, t)).to_have_value("")
    press(page, t, "continue")
    expect(page.get_by_test_id("toast-text")).to_have_text(t("song.no_lyrics"))


def test_a_song_is_cancelled_in_its_page_and_in_another(
    open_page: OpenPage, studio: Studio
) -> None:
    page, t = open_page("song"), Texts("en")
    first = asked(studio, sections=["verse"] * 6)
    page.goto(f"{studio.url}/studio/en/song?job={first}")
    press(page, t, "cancel")
    expect(page.locator(".says")).to_have_text(t("song.says_cancelled"))
    expect(page.get_by_role("button", name=t("song.cancel"))).to_be_hidden()
    expect(page.locator(".history [aria-current]")).to_contain_text(t("song.status_cancelled"))
    second = asked(studio, sections=["verse"] * 6)
    page.goto(f"{studio.url}/studio/en/song?job={second}")
    expect(page.locator(".stage progress")).to_be_visible()
    with studio.product.http() as http:
        assert http.delete(f"/v1/jobs/{second}").json()["status"] == "cancelled"
    expect(page.locator(".says")).to_have_text(t("song.says_cancelled"))


def test_the_music_alone_is_made_again(open_page: OpenPage, studio: Studio) -> None:
    page, t = open_page("song"), Texts("en")
    job = asked(studio, title="Twice", sections=["verse"], lines=2, instrumental=True)
    page.goto(f"{studio.url}/studio/en/song?job={job}")
    ready(page, t)
    words = page.locator(".karaoke").inner_text()
    notes = page.locator(".piano-roll").inner_html()
    press(page, t, "music_again")
    page.wait_for_url(lambda url: f"job={job}" not in url)
    plays(page, ready(page, t))
    assert page.locator(".karaoke").inner_text() == words
    assert page.locator(".piano-roll").inner_html() != notes
    # The one before is still there.
    page.locator(f"[data-open={job}]").click()
    ready(page, t)
    assert page.locator(".piano-roll").inner_html() == notes


def test_the_line_that_is_sung_is_seen_late_in_a_long_song_too(
    open_page: OpenPage, studio: Studio
) -> None:
    page, t = open_page("song"), Texts("en")
    job = asked(studio, sections=["verse"] * 4, lines=4, instrumental=True)
    page.goto(f"{studio.url}/studio/en/song?job={job}")
    player = ready(page, t)
    for line in (page.locator("[data-at]").last, page.locator("[data-at]").nth(8)):
        at = float(line.get_attribute("data-at") or "nan")
        player.evaluate("(player, at) => { player.currentTime = at + 0.1; }", at)
        expect(line).to_have_attribute("aria-current", "true")
        assert line.evaluate(IN_BOX)


def test_a_song_takes_the_mood_of_a_voice(open_page: OpenPage, studio: Studio, clip: Path) -> None:
    page, t = open_page("song"), Texts("en")
    wish(page, t, "pop")
    page.get_by_role("button", name=t("song.from_voice"), exact=False).first.click()
    press(page, t, "voice_make")
    expect(page.get_by_test_id("toast-text")).to_have_text(t("uploads.nothing"))
    page.get_by_role("button", name=t("microphone.upload")).click()
    page.locator("#song-recording input[type=file]").set_input_files(clip)
    expect(page.locator("#song-recording input[type=file]")).to_have_count(0)
    press(page, t, "voice_make")
    ready(page, t)
    expect(page.locator(".record")).to_contain_text("Your voice sounded")
    assert soon(lambda: uploads(studio.product)) == []
    accessible(page)


def test_a_song_that_is_gone_is_told_in_a_sentence(open_page: OpenPage, studio: Studio) -> None:
    page, t = open_page("song", "es"), Texts("es")
    page.goto(f"{studio.url}/studio/es/song?job=song_{'0' * 32}")
    expect(page.get_by_role("alert").filter(has_text=t("song.gone"))).to_be_visible()
    expect(page.get_by_role("button", name=t("song.cancel"))).to_be_hidden()
    accessible(page)


def asked(studio: Studio, **song: Any) -> str:
    """A song that was asked for elsewhere; its job."""
    with studio.product.http() as http:
        job: str = http.post("/v1/songs", json={"genre": "pop", **song}).json()["id"]
        return job
