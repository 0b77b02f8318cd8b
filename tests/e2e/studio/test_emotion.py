"""The page that tells what a voice tells, with a microphone that hears a real one."""

import re
import time
import wave
from collections.abc import Callable
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from playwright.sync_api import Browser, Page, Route, expect

from services.studio.texts import LANGUAGES, Texts
from tests.e2e.studio.browsers import (
    CHROMIUM,
    LOCALES,
    OpenPage,
    Watched,
    accessible,
    enter,
    fits,
)
from tests.e2e.studio.conftest import Studio
from tests.e2e.studio.left import files, scratch, soon

#: Lists the files that are kept.
Kept = Callable[[], list[Path]]

#: What Gradio calls them.
RECORD = {"en": "Record", "es": "Grabar"}
STOP = {"en": "Stop", "es": "Detener"}
#: What the gateway says of a file that is no recording.
UNREADABLE = {"en": "The audio cannot be read", "es": "No se puede leer esta grabación"}
#: Keeps all that hears the microphone in a page, as `heard`.
NOTE_WHO_HEARS = """
    window.heard = { tracks: [], contexts: [] };
    const ask = navigator.mediaDevices.getUserMedia.bind(navigator.mediaDevices);
    navigator.mediaDevices.getUserMedia = async (wish) => {
        const stream = await ask(wish);
        heard.tracks.push(...stream.getTracks());
        return stream;
    };
    window.AudioContext = class extends AudioContext {
        constructor(options) {
            super(options);
            heard.contexts.push(this);
        }
    };
"""


@pytest.fixture
def kept(studio: Studio) -> Kept:
    """Lists the files that the web app keeps, but for those it kept before, of other pages."""
    folder = scratch(studio.product)
    before = set(files(folder))
    return lambda: [path for path in files(folder) if path not in before]


def repeated(clip: Path, seconds: float, path: Path) -> Path:
    """A voice again and again, with pauses."""
    with wave.open(str(clip)) as source:
        parameters = source.getparams()
        # A header that was written before its end was known promises more than there is.
        voice = source.readframes(source.getnframes())
    second = parameters.framerate * parameters.sampwidth * parameters.nchannels
    once = voice + bytes(second)
    with wave.open(str(path), "wb") as sink:
        sink.setnchannels(parameters.nchannels)
        sink.setsampwidth(parameters.sampwidth)
        sink.setframerate(parameters.framerate)
        sink.writeframes(once * round(seconds * second / len(once)))
    return path


def upload(page: Page, t: Texts, path: Path) -> None:
    """Chooses a file, and waits until it has been sent."""
    page.get_by_role("button", name=t("microphone.upload")).click()
    page.locator("#emotion-recording input[type=file]").set_input_files(path)
    page.locator("#emotion-recording a[download]").wait_for()


def ask(page: Page, t: Texts) -> None:
    page.get_by_role("button", name=t("emotion.hear")).click()


@pytest.mark.parametrize("language", LANGUAGES)
def test_a_voice_is_recorded_and_its_emotion_shown_and_nothing_is_kept(
    open_page: OpenPage, kept: Kept, language: str
) -> None:
    t = Texts(language)
    page = open_page("emotion", language, phone=language == "es")
    accessible(page)
    expect(page.get_by_text(t("emotion.deleted"))).to_be_visible()
    page.get_by_role("button", name=RECORD[language], exact=True).click()
    # A busy machine may not look at each second.
    long = re.compile("0:(0[3-9]|[1-5][0-9])")
    expect(page.locator("#emotion-recording time").filter(has_text=long)).to_be_visible()
    page.get_by_role("button", name=STOP[language], exact=True).click()
    page.locator("#emotion-recording a[download]").wait_for()
    assert len(kept()) == 1
    ask(page, t)
    bars = page.get_by_role("list", name=t("emotion.ranking")).get_by_role("listitem")
    expect(bars).to_have_count(6)
    percents = page.locator(".emotion-percent").all_inner_texts()
    scores = [int(found[0]) for each in percents if (found := re.findall(r"^\d+", each))]
    assert scores == sorted(scores, reverse=True)
    # What was sent can be heard, from the browser's own copy.
    player = page.get_by_label(t("emotion.player")).locator("visible=true").last
    expect(player).to_have_attribute("src", re.compile("^blob:"))
    assert soon(kept) == []
    accessible(page)
    fits(page)


def test_a_long_recording_gets_a_timeline_with_speakers_and_a_waveform(
    open_page: OpenPage, kept: Kept, clip: Path, tmp_path: Path
) -> None:
    t = Texts("es")
    page = open_page("emotion", "es", phone=True, dark=True)
    upload(page, t, repeated(clip, 30, tmp_path / "long.wav"))
    ask(page, t)
    table = page.get_by_role("group", name=t("emotion.table"))
    table.wait_for()
    timeline = page.get_by_role("group", name=t("emotion.timeline"))
    expect(timeline.get_by_role("img")).to_have_attribute("aria-label", re.compile("0:"))
    expect(timeline.locator(".emotion-lane-name").nth(1)).to_have_text(
        t("emotion.speaker", name="A")
    )
    assert timeline.locator(".emotion-mark.feeling").first.inner_text() != ""
    heights = re.findall(r" (\d+)L", timeline.locator("path").get_attribute("d") or "")
    assert len(set(heights)) > 10
    table.get_by_role("button").nth(1).click()
    page.wait_for_function("document.querySelector('.emotion-player audio').currentTime > 1")
    assert soon(kept) == []
    accessible(page)
    fits(page)


def test_listening_can_be_stopped_and_then_nothing_is_kept(
    open_page: OpenPage, studio: Studio, kept: Kept, clip: Path, tmp_path: Path
) -> None:
    t = Texts("en")
    page = open_page("emotion")
    upload(page, t, repeated(clip, 1200, tmp_path / "long.wav"))
    ask(page, t)
    page.locator(".emotion-busy").wait_for()
    page.get_by_role("button", name=t("emotion.stop"), exact=True).click()
    page.get_by_text(t("emotion.stopped")).wait_for()
    expect(page.get_by_role("button", name=t("emotion.hear"))).to_be_enabled()
    end = time.monotonic() + 60
    # The page is at rest at once, and the work a moment later.
    while kept() and time.monotonic() < end:
        page.wait_for_timeout(100)
    assert soon(kept) == []
    end = time.monotonic() + 60
    with studio.product.http() as http:
        while any(each["capability"] == "emotion" for each in http.get("/v1/queue").json()["data"]):
            assert time.monotonic() < end, "the gateway still listens for nobody"


@pytest.mark.parametrize("language", LANGUAGES)
def test_live_a_timeline_rolls_while_somebody_speaks(
    open_page: OpenPage, kept: Kept, language: str
) -> None:
    t = Texts(language)
    page = open_page("emotion", language, phone=language == "es")
    page.get_by_role("tab", name=t("emotion.tab_live")).click()
    page.get_by_role("button", name=t("emotion.live_start")).click()
    page.locator("#emotion-live .emotion-mark.feeling").first.wait_for()
    expect(page.locator("#emotion-live .emotion-headline")).not_to_have_text("")
    accessible(page)
    fits(page)
    page.get_by_role("button", name=t("emotion.live_stop")).click()
    stopped = t("emotion.live_done", length="@").split("@")[0]
    expect(page.locator("#emotion-live [role=status]")).to_contain_text(stopped)
    expect(page.locator("#emotion-live li").first).not_to_have_text("")
    expect(page.get_by_role("button", name=t("emotion.live_start"))).to_be_focused()
    assert soon(kept) == []


def test_a_network_that_is_cut_ends_live_listening_with_a_sentence(open_page: OpenPage) -> None:
    t = Texts("en")
    page = open_page("emotion")
    page.get_by_role("tab", name=t("emotion.tab_live")).click()
    start = page.get_by_role("button", name=t("emotion.live_start"))
    start.click()
    page.locator("#emotion-live .emotion-lanes").wait_for()
    page.context.set_offline(True)
    expect(page.locator("#emotion-live [role=status]")).to_have_text(t("emotion.live_lost"))
    page.context.set_offline(False)
    start.click()
    page.locator("#emotion-live .emotion-mark.feeling").first.wait_for()


def test_a_microphone_is_let_go_where_listening_cannot_begin(open_page: OpenPage) -> None:
    t = Texts("en")
    page = open_page("emotion")
    page.add_init_script(NOTE_WHO_HEARS)
    page.reload()
    page.evaluate("""() => {
        AudioWorklet.prototype.addModule = () => Promise.reject(
            new DOMException("Unable to load a worklet's module.", "AbortError")
        );
    }""")
    page.get_by_role("tab", name=t("emotion.tab_live")).click()
    start = page.get_by_role("button", name=t("emotion.live_start"))
    start.click()
    expect(page.locator("#emotion-live [role=status]")).to_have_text(t("emotion.live_lost"))
    assert page.evaluate("heard.tracks.map(each => each.readyState)") == ["ended"]
    page.wait_for_function("() => heard.contexts.every(each => each.state === 'closed')")
    # And one that makes nothing of the microphone.
    page.evaluate("""() => {
        AudioContext.prototype.createMediaStreamSource = () => {
            throw new DOMException("Rates differ.", "NotSupportedError");
        };
    }""")
    start.click()
    page.wait_for_function("() => heard.contexts.length === 3")
    page.wait_for_function("() => heard.contexts.every(each => each.state === 'closed')")
    assert page.evaluate("heard.tracks.map(each => each.readyState)") == ["ended"] * 2
    expect(page.locator("#emotion-live [role=status]")).to_have_text(t("emotion.live_lost"))


def test_the_end_of_listening_says_nothing_once_there_is_another(open_page: OpenPage) -> None:
    t = Texts("en")
    page = open_page("emotion")
    page.get_by_role("tab", name=t("emotion.tab_live")).click()
    start = page.get_by_role("button", name=t("emotion.live_start"))
    stop = page.get_by_role("button", name=t("emotion.live_stop"))
    status = page.locator("#emotion-live [role=status]")
    start.click()
    page.locator("#emotion-live .emotion-mark.feeling").first.wait_for()
    ends: list[Route] = []

    def keep(route: Route) -> None:
        # All others get no answer, which would soon be in place of what is looked for.
        if route.request.method == "DELETE":
            ends.append(route)

    for lost in (False, True):
        page.route("**/studio/live/*", keep)
        with page.expect_request(lambda request: request.method == "DELETE"):
            stop.click()
        start.click()
        expect(stop).to_be_visible()
        expect(status).to_have_text(t("emotion.live_quiet"))
        late = ends.pop()
        if lost:
            late.abort()
        else:
            late.continue_()
        page.wait_for_timeout(1_000)
        expect(status).to_have_text(t("emotion.live_quiet"))
        page.unroute("**/studio/live/*")


@pytest.mark.parametrize("language", LANGUAGES)
def test_what_is_no_recording_is_refused_with_a_sentence(
    open_page: OpenPage, kept: Kept, tmp_path: Path, language: str
) -> None:
    t = Texts(language)
    page = open_page("emotion", language)
    pdf, empty, large = (tmp_path / name for name in ("pdf.wav", "empty.wav", "large.wav"))
    pdf.write_bytes(b"%PDF-1.7\n" + b"x" * 5_000)
    empty.touch()
    with large.open("wb") as file:
        file.truncate(101 * 2**20)
    for path, sentence in ((pdf, UNREADABLE[language]), (empty, t("uploads.empty"))):
        upload(page, t, path)
        ask(page, t)
        expect(page.locator(".toast-body")).to_contain_text(sentence)
        page.locator(".toast-close").click()
        expect(page.locator(".toast-body")).to_have_count(0)
    page.locator("#emotion-recording input[type=file]").set_input_files(large)
    expect(page.get_by_role("alert").filter(has_text="100 MB")).to_have_text(
        t("emotion.too_large", size=100)
    )
    ask(page, t)
    expect(page.locator(".toast-body")).to_contain_text(t("uploads.nothing"))
    assert soon(kept) == []
    accessible(page)


@pytest.mark.parametrize("language", LANGUAGES)
def test_a_microphone_that_is_refused_is_explained(
    browser: Browser, studio: Studio, language: str
) -> None:
    t = Texts(language)
    # Without somebody who always allows it.
    wary = browser.browser_type.launch(
        executable_path=CHROMIUM, args=["--no-sandbox", "--use-fake-device-for-media-stream"]
    )
    context = wary.new_context(locale=LOCALES[language])
    context.set_default_timeout(60_000)
    watched = Watched(urlsplit(studio.url).netloc)
    watched.watch(context)
    page = context.new_page()
    enter(page, studio.url, studio.product.key, "emotion", language)
    page.get_by_role("button", name=RECORD[language], exact=True).click()
    expect(page.get_by_role("alert")).to_have_text(t("microphone.refused"))
    page.get_by_role("tab", name=t("emotion.tab_live")).click()
    page.get_by_role("button", name=t("emotion.live_start")).click()
    expect(page.locator("#emotion-live [role=status]")).to_have_text(t("microphone.refused"))
    accessible(page)
    wary.close()
    watched.verify()


def test_a_recording_that_is_replaced_or_removed_is_not_kept(
    open_page: OpenPage, kept: Kept, clip: Path, tmp_path: Path
) -> None:
    t = Texts("en")
    other = tmp_path / "other.wav"
    other.write_bytes(clip.read_bytes())
    page = open_page("emotion")
    upload(page, t, clip)
    page.get_by_role("button", name="Clear").click()
    upload(page, t, other)
    expect(page.locator("#emotion-recording a[download]")).to_have_attribute(
        "href", re.compile("/other.wav$")
    )
    page.get_by_role("button", name="Clear").click()
    page.locator("#emotion-recording input[type=file]").wait_for(state="attached")
    ask(page, t)
    expect(page.locator(".toast-body")).to_contain_text(t("uploads.nothing"))
    assert soon(kept) == []
