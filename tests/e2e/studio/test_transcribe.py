"""The page that writes recordings down, in a browser."""

import re
from pathlib import Path

import av
import numpy as np
import pytest
from playwright.sync_api import Locator, Page, expect

from services.studio.texts import LANGUAGES, Texts
from tests.e2e.studio.browsers import OpenPage, accessible, fits
from tests.e2e.studio.conftest import Studio
from tests.e2e.studio.left import at_work, soon, uploads
from tests.recordings import tone, wav

CUE = re.compile(r"(\d+)\n(\d\d):(\d\d):(\d\d),(\d{3}) --> (\d\d):(\d\d):(\d\d),(\d{3})\n(.+)\n\n")
SPANISH = Path(__file__).resolve().parents[3].parent / "shared/data/speech/fleurs"


def choose(page: Page, path: Path) -> None:
    """Uploads a file, and waits until it lies on the server."""
    page.locator("#transcribe-recording [data-testid=source-select] button").first.click()
    with page.expect_response(lambda response: "/upload?" in response.url):
        page.locator("#transcribe-recording input[type=file]").set_input_files(path)
    expect(page.locator("#transcribe-recording .waveform-container")).to_have_count(1)


def go(page: Page) -> None:
    """Begins."""
    page.locator("#transcribe-go").click()


def kept(page: Page, kind: str) -> str:
    """One of the files that the page offers."""
    with page.expect_download() as download:
        page.get_by_role("link", name=kind.upper()).click()
    assert download.value.suggested_filename.endswith(f".{kind}")
    return Path(download.value.path()).read_text("utf-8")


def told(page: Page) -> Locator:
    """The message in the corner."""
    return page.locator(".toast-body")


@pytest.mark.parametrize("language", LANGUAGES)
def test_a_recording_is_written_down_coloured_and_kept_as_subtitles(
    open_page: OpenPage, studio: Studio, clip: Path, language: str
) -> None:
    t = Texts(language)
    page = open_page("transcribe", language)
    accessible(page)
    choose(page, clip)
    assert uploads(studio.product) != []
    accessible(page)
    page.get_by_role("button", name=t("transcribe.transcribe"), exact=True).click()
    words = page.get_by_label(t("transcribe.transcript"))
    expect(words).to_contain_text("happy to see you")
    # What the voice tells has a name, and is not a colour alone.
    expect(words.locator(".mood").first).to_contain_text("%")
    expect(page.get_by_label(t("transcribe.legend")).get_by_role("listitem")).not_to_have_count(0)
    spoken = {"en": "of English", "es": "en inglés"}[language]
    expect(page.locator("#transcribe-status[role=status]")).to_contain_text(spoken)
    cues = CUE.findall(kept(page, "srt"))
    assert "happy to see you" in " ".join(cue[-1] for cue in cues)
    assert [cue[0] for cue in cues] == [str(number + 1) for number in range(len(cues))]
    assert soon(lambda: uploads(studio.product)) == []
    accessible(page)
    fits(page)


def test_files_are_byte_for_byte_what_the_gateway_writes(
    open_page: OpenPage, studio: Studio, clip: Path
) -> None:
    page = open_page("transcribe")
    page.get_by_label("Colour by emotion").uncheck()
    choose(page, clip)
    go(page)
    expect(page.get_by_role("link", name="SRT")).to_be_visible()
    expect(page.locator(".mood")).to_have_count(0)
    with studio.product.http() as http:
        for kind, response_format in (("txt", "text"), ("srt", "srt"), ("vtt", "vtt")):
            answer = http.post(
                "/v1/audio/transcriptions",
                files={"file": clip.read_bytes()},
                data={"response_format": response_format},
            )
            assert kept(page, kind) == answer.text


def test_a_voice_is_recorded_and_written_down_on_a_phone(
    open_page: OpenPage, studio: Studio
) -> None:
    page = open_page("transcribe", "es", phone=True, dark=True, permissions=["microphone"])
    # Below one another, since beside one another their words would be cut off.
    box = page.locator("#transcribe-translate").bounding_box()
    assert box
    assert box["width"] > 250
    page.get_by_role("button", name="Grabar", exact=True).click()
    # Long enough for some words of the voice that the microphone hears; a busy machine may not look
    # at each second.
    long = re.compile("0:(0[3-9]|[1-5][0-9])")
    expect(page.locator("#transcribe-recording time").filter(has_text=long)).to_be_visible()
    accessible(page)
    page.get_by_role("button", name="Detener", exact=True).click()
    expect(page.locator("#transcribe-recording #duration")).to_be_visible()
    accessible(page)
    go(page)
    expect(page.get_by_label("Transcripción")).to_contain_text("happy")
    expect(page.get_by_role("link", name="Descargar SRT")).to_be_visible()
    assert soon(lambda: uploads(studio.product)) == []
    accessible(page)
    fits(page)


@pytest.mark.skipif(not SPANISH.exists(), reason="needs the FLEURS clips beside the repository")
def test_another_language_is_translated_to_english(open_page: OpenPage, studio: Studio) -> None:
    page = open_page("transcribe")
    page.get_by_label("Translate to English").check()
    choose(page, SPANISH / "fleurs-es-000.ogg")
    go(page)
    expect(page.locator("#transcribe-status[role=status]")).to_contain_text("translated to English")
    words = kept(page, "txt").lower()
    assert re.search(r"\b(the|of|and|is|to)\b", words)
    assert not re.search(r"\b(que|del|los|una)\b", words)
    assert soon(lambda: uploads(studio.product, ".ogg")) == []


def test_the_text_can_be_copied(open_page: OpenPage, clip: Path) -> None:
    page = open_page("transcribe", permissions=["clipboard-read", "clipboard-write"])
    choose(page, clip)
    go(page)
    page.get_by_role("button", name="Copy text").click()
    expect(page.get_by_role("button", name="Copied")).to_be_visible()
    copied = page.evaluate("navigator.clipboard.readText()")
    assert copied + "\n" == kept(page, "txt")


def test_who_cancels_stops_the_work_and_keeps_what_was_understood(
    open_page: OpenPage, studio: Studio, clip: Path, tmp_path: Path
) -> None:
    _, secret = studio.product.new_key("listener")
    page = open_page("transcribe", key=secret)
    long = tmp_path / "long.wav"
    with av.open(str(clip)) as container:
        rate = container.streams.audio[0].rate
        samples = np.concatenate([frame.to_ndarray()[0] for frame in container.decode(audio=0)])
    # The same again and again: half a minute is understood at a time.
    long.write_bytes(wav(np.tile(samples, 40)[:, None] / 32768, rate))
    choose(page, long)
    go(page)
    expect(page.locator(".transcript .words").first).to_be_visible()
    expect(page.locator("#transcribe-status[role=status]")).to_contain_text("heard up to")
    page.get_by_role("button", name="Cancel").click()
    expect(page.locator("#transcribe-status[role=status]")).to_have_text(
        Texts("en")("transcribe.cancelled")
    )
    expect(page.locator(".transcript .words").first).to_be_visible()
    expect(page.locator("#transcribe-go")).to_be_enabled()
    assert at_work(studio.product, secret) == []
    assert soon(lambda: uploads(studio.product)) == []


@pytest.mark.parametrize("language", LANGUAGES)
def test_bad_input_is_told_in_a_sentence(
    open_page: OpenPage, studio: Studio, tmp_path: Path, language: str
) -> None:
    t = Texts(language)
    page = open_page("transcribe", language)
    go(page)
    expect(told(page)).to_contain_text(t("uploads.nothing"))
    # What fades in is pale at first.
    expect(told(page)).to_have_css("opacity", "1")
    accessible(page)
    for name, content, sentence in (
        ("fake.wav", b"%PDF-1.4\n" + bytes(3000), None),
        ("still.wav", wav(tone(0)), t("uploads.empty")),
    ):
        file = tmp_path / name
        file.write_bytes(content)
        choose(page, file)
        go(page)
        if sentence is None:
            sentence = {"en": "cannot be read", "es": "No se puede leer"}[language]
        expect(told(page)).to_contain_text(sentence)
        expect(page.locator("#transcribe-go")).to_be_enabled()
        page.locator(".toast-close").first.click()
    paper = tmp_path / "paper.pdf"
    paper.write_bytes(b"%PDF-1.4\n")
    page.locator("#transcribe-recording [data-testid=source-select] button").first.click()
    page.locator("#transcribe-recording input[type=file]").set_input_files(paper)
    kind = {"en": "of this kind cannot be used", "es": "de este tipo no sirve"}[language]
    expect(page.get_by_text(kind)).to_be_visible()
    assert soon(lambda: uploads(studio.product)) == []


def test_a_recording_in_which_nobody_speaks_says_so(open_page: OpenPage, tmp_path: Path) -> None:
    page = open_page("transcribe")
    quiet = tmp_path / "quiet.wav"
    quiet.write_bytes(wav(tone(2)))
    choose(page, quiet)
    go(page)
    expect(page.locator("#transcribe-status[role=status]")).to_contain_text("Nobody seems to speak")
    expect(page.locator(".keep")).to_have_count(0)
