"""The pages of models and of the queue, on the real models."""

import threading

import pytest
from playwright.sync_api import expect

from services.studio.texts import LANGUAGES, Texts
from tests.e2e.studio.browsers import OpenPage, accessible, fits, ready
from tests.e2e.studio.conftest import Studio

#: A small model that nothing else needs.
SPARE = "whisper-tiny.en"
NASTY = "<script>alert(1)</script><img src=x onerror=alert(1)>"


@pytest.mark.parametrize("language", LANGUAGES)
def test_an_admin_loads_pins_and_unloads_a_model(open_page: OpenPage, language: str) -> None:
    t = Texts(language)
    page = open_page("models", language, phone=language == "es", dark=language == "en")
    model = page.get_by_role("row").filter(has_text=SPARE)
    state = model.locator(f'[data-label="{t("models.state")}"]')
    pinned = model.locator(f'[data-label="{t("models.pinned")}"]')
    done = page.locator('[data-board] [role="status"]')
    expect(state).to_contain_text(t("models.state_unloaded"))
    accessible(page)
    fits(page)

    button = model.get_by_role("button", name=t("models.load_named", model=SPARE))
    button.focus()
    page.keyboard.press("Enter")
    expect(done).to_have_text(t("models.done_load", model=SPARE))
    expect(state).to_contain_text(t("models.state_loaded"))
    # Whoever uses the keyboard is where they were.
    expect(model.locator("button:focus")).to_have_count(1)
    expect(model.locator(f'[data-label="{t("models.memory")}"]')).to_contain_text("MB")

    model.get_by_role("button", name=t("models.pin_named", model=SPARE)).click()
    expect(done).to_have_text(t("models.done_pin", model=SPARE))
    expect(pinned).to_have_text(t("models.yes"))
    model.get_by_role("button", name=t("models.unpin_named", model=SPARE)).click()
    expect(pinned).to_have_text(t("models.no"))
    model.get_by_role("button", name=t("models.unload_named", model=SPARE)).click()
    expect(done).to_have_text(t("models.done_unload", model=SPARE))
    expect(state).to_contain_text(t("models.state_unloaded"))
    accessible(page)
    fits(page)


def test_who_is_no_admin_reads_a_sentence_and_has_no_buttons(
    open_page: OpenPage, studio: Studio
) -> None:
    t = Texts("es")
    _, key = studio.product.new_key("reader")
    page = open_page("models", "es", key=key)
    expect(page.get_by_text(t("models.no_admin"))).to_be_visible()
    expect(page.locator("[data-board] button")).to_have_count(0)
    # And who asks all the same is told why not.
    refused = page.request.post(f"{studio.url}/studio/boards/models/{SPARE}/load?lang=es")
    assert refused.status == 403
    assert refused.json()["error"]["message"] == t("errors.code_missing_scope")


@pytest.mark.parametrize("language", LANGUAGES)
def test_a_song_that_is_cancelled_in_one_tab_is_cancelled_in_the_other(
    open_page: OpenPage, studio: Studio, language: str
) -> None:
    t = Texts(language)
    page = open_page("queue", language, phone=language == "es", dark=language == "en")
    with studio.product.http() as http:
        wish = {"genre": "pop", "title": NASTY, "duration": 120}
        job = http.post("/v1/songs", json=wish).raise_for_status().json()["id"]
    cancel = page.locator(f'button[data-id="{job}"]')
    song = page.get_by_role("listitem").filter(has=page.locator(f'[data-id="{job}"]'))
    expect(song.get_by_role("heading")).to_have_text(NASTY)
    expect(song.get_by_role("progressbar")).to_be_visible()
    accessible(page)
    fits(page)

    other = page.context.new_page()
    other.goto(page.url)
    ready(other)
    other.locator(f'button[data-id="{job}"]').click()
    expect(other.locator('[data-board] [role="status"]')).to_have_text(t("queue.cancelled"))
    expect(cancel).to_have_count(0)
    ended = page.get_by_role("listitem").filter(has_text=NASTY).first
    expect(ended).to_contain_text(t("queue.status_cancelled"))
    accessible(page)


def test_a_request_is_seen_while_it_runs(open_page: OpenPage, studio: Studio) -> None:
    page = open_page("queue")
    expect(page.get_by_text(Texts("en")("queue.requests")).first).to_be_visible()
    seen = threading.Event()

    def ask() -> None:
        message = {"role": "user", "content": "Count from one to a thousand, in words."}
        body = {"model": "smollm2-135m-instruct", "messages": [message], "max_tokens": 200}
        with studio.product.http() as http:
            while not seen.is_set():
                http.post("/v1/chat/completions", json=body)

    asking = threading.Thread(target=ask)
    asking.start()
    try:
        entry = page.get_by_role("row").filter(has_text="smollm2-135m-instruct").first
        expect(entry).to_contain_text(Texts("en")("queue.running"))
        accessible(page)
    finally:
        seen.set()
        asking.join()


def test_nothing_is_asked_while_nobody_looks(open_page: OpenPage) -> None:
    page = open_page("models")
    page.clock.install()
    page.reload()
    ready(page)
    expect(page.get_by_role("table")).to_be_visible()
    page.evaluate(
        "Object.defineProperty(document, 'hidden', {get: () => true, configurable: true})"
    )
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url))
    page.clock.fast_forward(20_000)
    page.clock.run_for(10_000)
    assert [url for url in asked if "/boards/" in url] == []
    page.evaluate("delete document.hidden")
    with page.expect_request("**/studio/boards/models**"):
        page.clock.run_for(5_000)


def test_a_board_goes_on_after_an_answer_that_broke_off(open_page: OpenPage) -> None:
    t = Texts("es")
    page = open_page("models", "es")
    expect(page.get_by_role("table")).to_be_visible()
    alert = page.locator('[data-board] [role="alert"]')
    page.evaluate("""() => {
        window.whole = Response.prototype.text;
        Response.prototype.text = () => Promise.reject(new TypeError("network error"));
    }""")
    expect(alert).to_have_text(t("models.lost"))
    page.evaluate("() => { Response.prototype.text = window.whole; }")
    expect(alert).to_be_empty()
