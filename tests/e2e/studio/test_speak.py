"""The page that reads texts aloud, in a browser."""

import io
import time
from pathlib import Path

import av
import openai
import pytest
from playwright.sync_api import Page, expect

from services.studio.texts import LANGUAGES, Texts
from tests.e2e.studio.browsers import OpenPage, accessible, fits
from tests.e2e.studio.conftest import Studio
from tests.e2e.studio.left import at_work

TEXT = "Good morning! Today we are going to sing."
#: Enough to be at work for as long as a hand needs to stop it.
LONG = " ".join([TEXT] * 90)


def write(page: Page, text: str, language: str = "en") -> None:
    """Writes a text, once there is a voice to read it."""
    voice = {"en": "joe · English (US)", "es": "joe · inglés (US)"}[language]
    expect(page.locator("#speak-voice input")).to_have_value(voice)
    page.locator("#speak-text textarea").fill(text)


def downloaded(page: Page) -> tuple[str, bytes]:
    """The name and the bytes of the file that the page offers."""
    with page.expect_download() as download:
        page.locator("#speak-download").click()
    return download.value.suggested_filename, Path(download.value.path()).read_bytes()


def seconds_of(sound: bytes) -> float:
    """How long a file of sound is, by its samples."""
    with av.open(io.BytesIO(sound), "r") as container:
        [stream] = container.streams.audio
        return sum(frame.samples for frame in container.decode(stream)) / stream.rate


@pytest.mark.parametrize("language", LANGUAGES)
def test_a_text_is_spoken_played_and_downloaded(open_page: OpenPage, language: str) -> None:
    t = Texts(language)
    page = open_page("speak", language)
    write(page, TEXT, language)
    page.get_by_role("button", name=t("speak.speak"), exact=True).click()
    player = page.locator("#speak-result audio")
    expect(player).to_have_attribute("aria-label", t("speak.player", format="MP3"))
    expect(page.locator("#speak-status[role=status]")).to_contain_text(
        t("speak.ready", size="#").split("#")[1]
    )
    # The browser itself can play it.
    player.evaluate("player => player.readyState || new Promise(r => player.onloadedmetadata = r)")
    assert player.evaluate("player => player.duration") > 0.5
    name, sound = downloaded(page)
    assert name == f"{t('speak.file_name')}.mp3"
    assert seconds_of(sound) > 0.5
    accessible(page)
    fits(page)


def test_each_format_is_a_file_of_its_kind(open_page: OpenPage) -> None:
    page = open_page("speak")
    write(page, "Hi.")
    for kind, codec in (
        ("opus", "opus"),
        ("aac", "aac"),
        ("flac", "flac"),
        ("wav", "pcm_s16le"),
    ):
        page.get_by_label(kind.upper(), exact=True).check()
        page.locator("#speak-go").click()
        expect(page.locator("#speak-download")).to_have_text(f"Download {kind.upper()}")
        name, sound = downloaded(page)
        assert name == f"speech.{kind}"
        with av.open(io.BytesIO(sound)) as container:
            assert container.streams.audio[0].codec_context.codec.canonical_name == codec


def test_faster_speech_is_shorter_on_a_phone_too(open_page: OpenPage) -> None:
    page = open_page("speak", phone=True, dark=True)
    write(page, TEXT)
    page.locator("#speak-speed input[type=number]").fill("2")
    page.locator("#speak-speed input[type=number]").press("Tab")
    page.locator("#speak-go").click()
    expect(page.locator("#speak-result audio")).to_be_visible()
    fast = seconds_of(downloaded(page)[1])
    page.locator("#speak-speed input[type=number]").fill("1")
    page.locator("#speak-speed input[type=number]").press("Tab")
    # The first player may be gone, and the second there, between two looks.
    page.locator("#speak-result audio").evaluate("player => { player.dataset.first = ''; }")
    page.locator("#speak-go").click()
    expect(page.locator("#speak-result audio:not([data-first])")).to_be_visible()
    assert 0.3 < fast < 0.7 * seconds_of(downloaded(page)[1])
    accessible(page)
    fits(page)


@pytest.mark.parametrize("language", LANGUAGES)
def test_what_cannot_be_spoken_is_said_in_a_sentence(open_page: OpenPage, language: str) -> None:
    t = Texts(language)
    page = open_page("speak", language)
    expect(page.locator("#speak-voice input")).not_to_have_value("")
    page.locator("#speak-go").click()
    expect(page.get_by_text(t("speak.empty"))).to_be_visible()
    accessible(page)
    page.locator("#speak-text textarea").fill("x" * 4097)
    page.locator("#speak-go").click()
    expect(page.get_by_text(t("speak.too_long", length=4097, most=4096))).to_be_visible()
    expect(page.locator("#speak-go")).to_be_enabled()


def test_who_cancels_can_speak_again_and_nothing_goes_on(
    open_page: OpenPage, studio: Studio
) -> None:
    _, secret = studio.product.new_key("speaker")
    page = open_page("speak", key=secret)
    write(page, LONG)
    page.locator("#speak-go").click()
    expect(page.locator("#speak-status")).to_contain_text("Speaking…")
    page.get_by_role("button", name="Cancel").click()
    expect(page.locator("#speak-status")).to_have_text("Cancelled.")
    expect(page.locator("#speak-cancel")).to_be_hidden()
    expect(page.locator("#speak-result audio")).to_have_count(0)
    assert at_work(studio.product, secret) == []
    write(page, TEXT)
    page.locator("#speak-go").click()
    expect(page.locator("#speak-result audio")).to_be_visible()


def test_a_key_that_was_revoked_is_told_in_a_sentence(open_page: OpenPage, studio: Studio) -> None:
    id, secret = studio.product.new_key("speaker")
    page = open_page("speak", key=secret)
    write(page, TEXT)
    client, end = studio.product.client(secret), time.monotonic() + 60
    studio.product.orfeon("keys", "revoke", id)
    with pytest.raises(openai.AuthenticationError):  # noqa: PT012 (it takes a few seconds)
        while time.monotonic() < end:
            client.models.list()
    page.locator("#speak-go").click()
    expect(page.get_by_text(Texts("en")("errors.signed_out"))).to_be_visible()
    expect(page.locator("#speak-go")).to_be_enabled()
