"""The page that talks with language models, in a browser."""

import re
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from PIL import Image
from playwright.sync_api import Browser, Locator, Page, expect

from services.studio.texts import LANGUAGES, Texts
from tests.e2e.conftest import Product, running
from tests.e2e.studio.browsers import OpenPage, accessible, enter, fits, opener
from tests.e2e.studio.cable import laid
from tests.e2e.studio.conftest import Studio
from tests.e2e.studio.left import at_work, soon, uploads
from tests.integration.test_seeing import install

EN = Texts("en")
STORY = "Tell me a very long story about a ship and all of its sailors."
_FRAMES = "new Promise(done => requestAnimationFrame(() => setTimeout(done, 100)))"
SOME = re.compile(r"(\S+\s+){12}")


def ask(page: Page, words: str, t: Texts = EN) -> Locator:
    """Asks something; returns where the answer will be."""
    asked = page.locator(".chat-question").count()
    send = page.get_by_role("button", name=t("chat.send"), exact=True)
    expect(page.locator("#chat-model input")).not_to_have_value("")
    expect(send).to_be_enabled()
    page.get_by_label(t("chat.message")).fill(words)
    send.click()
    expect(page.locator(".chat-question")).to_have_count(asked + 1)
    return page.locator(".chat-answer").nth(asked)


def settle(page: Page, temperature: str, longest: str, t: Texts = EN) -> None:
    """Opens the settings and fills them, once the page has its models."""
    expect(page.locator("#chat-model input")).not_to_have_value("")
    page.get_by_role("button", name=t("chat.settings")).click()
    for name, value in (("temperature", temperature), ("longest", longest)):
        number = page.locator(f"#chat-{name} input[type=number]")
        number.wait_for()
        # What has just been laid out takes its first value once more.
        page.evaluate(_FRAMES)
        number.fill(value)
        number.press("Tab")
        expect(number).to_have_value(value)


def tell(page: Page, t: Texts = EN) -> Locator:
    """Has a story told that lasts longer than any test: without chance the model repeats itself."""
    # So much that what was written of a first one goes into the context too.
    settle(page, "0", "6000", t)
    return ask(page, STORY, t)


def said(answer: Locator) -> Locator:
    """What the model wrote."""
    return answer.locator("[data-said]")


def press(page: Page, key: str, t: Texts = EN) -> None:
    page.get_by_role("button", name=t(f"chat.{key}"), exact=True).click()


@pytest.mark.parametrize("language", LANGUAGES)
def test_an_answer_is_read_as_it_is_written(open_page: OpenPage, language: str) -> None:
    t = Texts(language)
    page = open_page("chat", language, phone=language == "es", dark=language == "es")
    accessible(page)
    answer = tell(page, t)
    expect(said(answer)).to_have_text(SOME)
    lengths = []
    for _ in range(5):
        text = said(answer).inner_text()
        lengths.append(len(text))
        expect(said(answer)).not_to_have_text(text)
    assert lengths == sorted(set(lengths)), "it did not grow"
    accessible(page)
    fits(page)
    press(page, "stop", t)
    expect(answer).to_contain_text(t("chat.stopped"))
    again = said(answer).inner_text()
    press(page, "retry", t)
    expect(said(answer)).not_to_have_text(again)
    expect(said(answer)).to_have_text(SOME)
    press(page, "stop", t)
    expect(page.locator(".chat-question")).to_have_count(1)
    # Screen readers are told a sentence at a time, beside what is replaced all the time.
    expect(page.locator("#chat-spoken[aria-live=polite] p").first).not_to_be_empty()
    accessible(page)
    fits(page)
    press(page, "clear", t)
    expect(page.locator("#chat-log")).to_have_text(t("chat.empty"))


def test_a_conversation_goes_on_by_keyboard_and_is_gone_with_its_tab(open_page: OpenPage) -> None:
    page = open_page("chat", permissions=["clipboard-read", "clipboard-write"])
    settle(page, "0", "50")
    answer = ask(page, "Say hello.")
    expect(answer).to_have_attribute("data-done", "")
    box = page.get_by_label(EN("chat.message"))
    box.focus()
    page.keyboard.type("<img src=x onerror=alert(1)> **Say** it again.")
    page.keyboard.press("Enter")
    asked = page.locator(".chat-question").nth(1)
    expect(asked).to_contain_text("<img src=x onerror=alert(1)> **Say**")
    second = page.locator(".chat-answer").nth(1)
    expect(second.locator("[data-copy]")).to_be_visible()
    second.locator("[data-copy]").click()
    expect(second.locator("[data-copy]")).to_have_text(EN("chat.copied"))
    copied = page.evaluate("navigator.clipboard.readText()")
    assert copied.split() == said(second).inner_text().split()
    page.reload()
    expect(page.locator("#chat-log")).to_have_text(EN("chat.empty"))


def test_stopping_and_leaving_end_the_request_at_the_gateway(
    open_page: OpenPage, product: Product
) -> None:
    with product.http() as http:
        page = open_page("chat")
        answer = tell(page)
        expect(said(answer)).to_have_text(SOME)
        assert [row["capability"] for row in http.get("/v1/queue").json()["data"]] == ["chat"]
        press(page, "stop")
        expect(answer).to_contain_text(EN("chat.stopped"))
        assert at_work(product, product.key) == []
        answer = ask(page, STORY)
        expect(said(answer)).to_have_text(SOME)
        page.close()
        assert at_work(product, product.key) == []


def test_signing_out_in_one_tab_ends_what_runs_in_another(
    open_page: OpenPage, product: Product
) -> None:
    page = open_page("chat")
    answer = tell(page)
    expect(said(answer)).to_have_text(SOME)
    other = page.context.new_page()
    other.goto(page.url)
    other.get_by_role("button", name="Sign out").click()
    other.wait_for_url("**/studio/sign-in")
    assert at_work(product, product.key) == []
    expect(answer.locator(".chat-note")).to_have_text(EN("chat.broke_off"))


def test_another_question_stops_the_answer_before(open_page: OpenPage, product: Product) -> None:
    page = open_page("chat")
    first = tell(page)
    expect(said(first)).to_have_text(SOME)
    second = ask(page, "Say hello.")
    expect(said(second)).not_to_be_empty()
    expect(first).to_contain_text(EN("chat.stopped"))
    press(page, "clear")
    assert at_work(product, product.key) == []


@pytest.mark.parametrize("language", LANGUAGES)
def test_what_is_too_long_is_said_in_a_sentence(open_page: OpenPage, language: str) -> None:
    t = Texts(language)
    page = open_page("chat", language)
    answer = ask(page, "word " * 9000, t)
    told = {"en": "context holds 8192 tokens", "es": t("errors.code_context_length_exceeded")}
    expect(answer.locator(".chat-note")).to_contain_text(told[language])
    accessible(page)
    fits(page)
    page.get_by_label(t("chat.message")).fill(" ")
    press(page, "send", t)
    expect(page.get_by_text(t("chat.say_something"))).to_be_visible()


def test_a_model_that_dies_leaves_what_it_wrote(open_page: OpenPage, product: Product) -> None:
    page = open_page("chat")
    answer = tell(page)
    expect(said(answer)).to_have_text(SOME)
    product.service("chat").kill()
    expect(answer.locator(".chat-note")).to_have_text(EN("chat.broke_off"))
    expect(said(answer)).to_have_text(SOME)
    accessible(page)
    product.wait_ready()
    press(page, "retry")
    expect(answer.locator(".chat-note")).to_have_count(0)
    expect(said(answer)).to_have_text(SOME)
    press(page, "stop")


def test_a_network_that_breaks_leaves_what_came(
    browser: Browser, studio: Studio, product: Product
) -> None:
    port = urlsplit(studio.url).port
    assert port
    with laid(port) as cable:
        page = browser.new_page(locale="es-ES")
        page.set_default_timeout(60_000)
        enter(page, f"http://127.0.0.1:{cable.port}", product.key, "chat", "es")
        t = Texts("es")
        answer = tell(page, t)
        expect(said(answer)).to_have_text(SOME)
        cable.cut()
        expect(answer.locator(".chat-note")).to_have_text(t("chat.broke_off"))
        expect(said(answer)).to_have_text(SOME)
        assert at_work(product, product.key) == []
        page.close()


@pytest.fixture(scope="module")
def parrot(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Product]:
    """A product whose model repeats what it is told."""
    options = ("--capabilities", "chat", "--engine", "fake")
    with running(tmp_path_factory.mktemp("parrot"), *options) as product:
        yield product


@pytest.fixture
def open_parrot(
    browser: Browser, parrot: Product, request: pytest.FixtureRequest
) -> Iterator[OpenPage]:
    """`open_page` of that product."""
    yield from opener(browser, parrot.studio, parrot.key, request)


def test_whatever_a_model_writes_can_do_nothing(open_parrot: OpenPage) -> None:
    # What it would ask another host for, or run, fails the test.
    page = open_parrot("chat")
    written = (
        "<script>document.title='taken'</script> <img src=x onerror=\"document.title='taken'\"> "
        "![cat](https://example.org/cat.png) [bad](javascript:document.title='taken') "
        "[good](https://example.org) **bold** $$x^2$$ &lt;b&gt;"
    )
    answer = ask(page, written)
    expect(answer).to_have_attribute("data-done", "")
    text = said(answer).inner_text()
    for shown in ("<script>", "<img src=x", "javascript:", "$$x^2$$", "<b>"):
        assert shown in text
    expect(said(answer).locator("strong")).to_have_text("bold")
    expect(said(answer).locator("img, script")).to_have_count(0)
    links = said(answer).locator("a").evaluate_all("links => links.map(one => one.href)")
    assert links == ["https://example.org/cat.png", "https://example.org/"]
    assert page.title() != "taken"
    accessible(page)


@pytest.fixture(scope="module")
def seeing(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Product]:
    """A product with a model that sees, tiny and of random weights, and one that does not."""
    home = tmp_path_factory.mktemp("seeing")
    install(home)
    with running(home, "--capabilities", "chat") as product:
        yield product


@pytest.fixture
def open_seeing(
    browser: Browser, seeing: Product, request: pytest.FixtureRequest
) -> Iterator[OpenPage]:
    """`open_page` of that product."""
    yield from opener(browser, seeing.studio, seeing.key, request)


def test_a_model_that_sees_is_shown_pictures(
    open_seeing: OpenPage, seeing: Product, tmp_path: Path
) -> None:
    page = open_seeing("chat")
    red, broken = tmp_path / "red.png", tmp_path / "broken.png"
    Image.new("RGB", (120, 90), "red").save(red)
    broken.write_bytes(b"%PDF-1.7 is no picture" * 20)
    attach = page.get_by_role("button", name=EN("chat.attach"))
    for model, sees in (("blind", False), (EN("chat.sees", name="tiny-llava"), True)):
        page.locator("#chat-model input").click()
        page.get_by_role("option", name=model).click()
        expect(attach).to_be_visible(visible=sees)
    chooser = page.locator("input[type=file]")
    chooser.set_input_files(broken)
    expect(page.get_by_text(EN("chat.unreadable"))).to_be_visible()
    chooser.set_input_files(red)
    expect(page.get_by_alt_text(EN("chat.picture", name="red.png"))).to_be_visible()
    assert soon(lambda: uploads(seeing, ".png")) == []
    accessible(page)
    answer = ask(page, "What is this?")
    expect(page.locator(".chat-question img")).to_be_visible()
    expect(page.get_by_text(EN("chat.attached"))).to_be_hidden()
    expect(answer).to_have_attribute("data-done", "")
    expect(said(answer)).not_to_be_empty()
    accessible(page)
