"""Pages of the menu, which are opened in place as long as that leaves nothing behind."""

from collections.abc import Callable
from pathlib import Path

import pytest
from playwright.sync_api import FilePayload, Page, Request, Route, expect

from services.studio.texts import Texts
from tests.e2e.studio.browsers import OpenPage, accessible, ready
from tests.e2e.studio.conftest import Studio
from tests.e2e.studio.left import at_work
from tests.e2e.studio.test_chat import tell

EN = Texts("en")
#: So many pages are opened in place one after the other; then what Gradio kept of them goes.
MOST = 20


def turn(page: Page, name: str, t: Texts = EN) -> None:
    """Opens a page by the menu, and waits until it can be used."""
    path = "" if name == "home" else name
    page.get_by_role("navigation").get_by_role("link", name=t(f"shell.{name}"), exact=True).click()
    page.wait_for_url(f"**/studio/{t.language}/{path}")
    expect(page.locator("nav [aria-current=page]")).to_have_text(t(f"shell.{name}"))
    ready(page)


def mark(page: Page) -> None:
    """What is marked is gone once the browser has begun a page anew."""
    page.evaluate("window.marked = true")


def in_place(page: Page) -> bool:
    return bool(page.evaluate("window.marked === true"))


@pytest.mark.parametrize("language", ["en", "es"])
def test_the_next_page_is_opened_in_place(open_page: OpenPage, language: str) -> None:
    t = Texts(language)
    page = open_page("emotion", language)
    turn(page, "queue", t)
    mark(page)
    asked: list[Request] = []
    page.on("request", lambda each: asked.append(each))
    turn(page, "emotion", t)
    heading = page.locator("gradio-app h1")
    expect(heading).to_have_count(1)
    expect(heading).to_have_text(t("shell.emotion"))
    expect(page).to_have_title(f"{t('shell.emotion')} · {t('shell.brand')}")
    expect(page.get_by_role("status").filter(has_text=page.title())).to_have_count(1)
    other = {"en": "es", "es": "en"}[language]
    expect(page.locator(f"a[hreflang={other}]")).to_have_attribute(
        "href", f"/studio/{other}/emotion"
    )
    expect(page.locator("#studio-content")).to_be_focused()
    accessible(page)
    assert in_place(page)
    # What it is made of was there already.
    assert [each.url for each in asked if each.resource_type in ("script", "stylesheet")] == []


def test_a_browsers_way_back_and_forth_is_in_place_too(open_page: OpenPage) -> None:
    page = open_page("speak")
    mark(page)
    turn(page, "queue")
    turn(page, "models")
    page.go_back()
    expect(page.locator("gradio-app h1")).to_have_text("Queue")
    page.go_back()
    expect(page.locator("gradio-app h1")).to_have_text("Speak")
    page.go_forward()
    expect(page.locator("gradio-app h1")).to_have_text("Queue")
    expect(page.locator("nav [aria-current=page]")).to_have_text("Queue")
    # A place within the page is no other page.
    page.locator(".studio-skip").focus()
    page.keyboard.press("Enter")
    page.wait_for_url("**/queue#studio-content")
    page.evaluate("document.querySelector('gradio-app h1').dataset.same = 'yes'")
    page.go_back()
    page.wait_for_url("**/queue")
    expect(page.locator("gradio-app h1")).to_have_attribute("data-same", "yes")
    assert in_place(page)


def test_a_page_that_one_comes_back_to_works(open_page: OpenPage) -> None:
    page = open_page("queue")
    board = page.locator("[data-board=queue] .shown")
    expect(board).not_to_be_empty()
    turn(page, "song")
    expect(page.locator(".history")).not_to_be_empty()
    mark(page)
    turn(page, "speak")
    turn(page, "song")
    expect(page.locator(".history")).not_to_be_empty()
    turn(page, "queue")
    expect(board).not_to_be_empty()
    turn(page, "speak")
    expect(page.locator("#speak-voice input")).not_to_have_value("")
    page.get_by_role("textbox").first.fill("Good morning.")
    page.locator("#speak-go").click()
    expect(page.locator("#speak-download")).to_be_visible()
    assert in_place(page)


def test_who_leaves_ends_what_was_asked_for(open_page: OpenPage, studio: Studio) -> None:
    page = open_page("chat")
    mark(page)
    answer = tell(page)
    expect(answer.locator("[data-said]")).not_to_be_empty()
    turn(page, "models")
    assert at_work(studio.product, studio.product.key) == []
    turn(page, "chat")
    # A new conversation, of which nothing is read aloud any more.
    expect(page.locator(".chat-question")).to_have_count(0)
    expect(page.locator("#chat-spoken")).to_be_empty()
    assert in_place(page)


def uploads_a_file(page: Page, clip: Path) -> None:
    page.locator("#transcribe-recording [data-testid=source-select] button").first.click()
    # Tests of that page look for uploads of other kinds that were left.
    file = FilePayload(name="voice.flac", mimeType="audio/flac", buffer=clip.read_bytes())
    page.locator("#transcribe-recording input[type=file]").set_input_files(file)


def records(page: Page, clip: Path) -> None:
    page.get_by_role("button", name="Record", exact=True).click()
    expect(page.get_by_role("button", name="Stop", exact=True)).to_be_visible()


def plays(page: Page, clip: Path) -> None:
    page.evaluate("() => { new Audio().play().catch(() => {}); }")


@pytest.mark.parametrize("use", [uploads_a_file, records, plays])
def test_what_would_live_on_without_its_page_ends_with_it(
    open_page: OpenPage, clip: Path, use: Callable[[Page, Path], None]
) -> None:
    page = open_page("transcribe", permissions=["microphone"])
    mark(page)
    use(page, clip)
    turn(page, "queue")
    assert not in_place(page)


def test_after_many_pages_the_browser_begins_anew(open_page: OpenPage) -> None:
    page = open_page()
    mark(page)
    for number in range(MOST):
        turn(page, ("queue", "models")[number % 2])
    assert in_place(page)
    turn(page, "queue")
    assert not in_place(page)


def test_another_version_is_begun_by_the_browser(open_page: OpenPage) -> None:
    page = open_page("speak")
    mark(page)

    def upgraded(route: Route) -> None:
        if route.request.resource_type != "fetch":
            route.continue_()
            return
        answer = route.fetch()
        route.fulfill(response=answer, body=answer.text().replace("/frames.js", "x/frames.js"))

    page.route("**/studio/en/queue", upgraded)
    turn(page, "queue")
    assert not in_place(page)


def test_who_is_not_signed_in_any_more_signs_in(open_page: OpenPage) -> None:
    page = open_page("speak")
    page.context.clear_cookies()
    page.get_by_role("link", name="Queue", exact=True).click()
    page.wait_for_url("**/studio/sign-in?next=/studio/en/queue")


def test_a_link_opens_a_tab_for_whoever_wants_one(open_page: OpenPage) -> None:
    page = open_page("speak")
    with page.context.expect_page() as opened:
        page.get_by_role("link", name="Queue", exact=True).click(modifiers=["ControlOrMeta"])
    ready(opened.value)
    expect(opened.value.locator("gradio-app h1")).to_have_text("Queue")
    expect(page.locator("gradio-app h1")).to_have_text("Speak")
