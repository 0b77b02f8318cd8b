"""What holds for all pages of the web app."""

from collections import Counter

import pytest
from playwright.sync_api import Browser, Route, expect

from services.studio.texts import Texts
from tests.e2e.studio.browsers import OpenPage, accessible, enter, fits, keep, ready
from tests.e2e.studio.conftest import Studio

PAGES = ("", "emotion", "song", "chat", "speak", "transcribe", "images", "models", "queue")
#: What the first page may weigh on the wire.
MOST_BYTES = 2_000_000
#: What a style sheet makes an element say.
_SAYS = "each => getComputedStyle(document.querySelector(each), '::after').content"
#: What a page may draw in a second in which nothing happens; boards ask for news now and then.
MOST_FRAMES = 10


@pytest.mark.parametrize(
    ("language", "phone", "dark"),
    [("en", False, False), ("en", True, True), ("es", False, True), ("es", True, False)],
    ids=["en-desk-light", "en-phone-dark", "es-desk-dark", "es-phone-light"],
)
def test_every_page_can_be_used_by_everybody(
    open_page: OpenPage, language: str, phone: bool, dark: bool
) -> None:
    page = open_page(language=language, phone=phone, dark=dark)
    t = Texts(language)
    assert page.evaluate("document.documentElement.lang") == language
    for path in PAGES:
        name = path or "home"
        page.get_by_role("navigation").get_by_role("link", name=t(f"shell.{name}")).click()
        page.wait_for_url(f"**/studio/{language}/{path}")
        ready(page)
        expect(page.locator("nav [aria-current=page]")).to_have_text(t(f"shell.{name}"))
        brand = t("shell.brand")
        expect(page).to_have_title(f"{t(f'shell.{path}')} · {brand}" if path else brand)
        accessible(page)
        fits(page)
        keep(
            page, f"{name}-{language}-{'phone' if phone else 'desk'}-{'dark' if dark else 'light'}"
        )


def test_the_sign_in_page_can_be_used_by_everybody(browser: Browser, studio: Studio) -> None:
    for locale, title in (("en-GB", "Sign in"), ("es-MX", "Entrar"), ("fr-FR", "Sign in")):
        context = browser.new_context(viewport={"width": 390, "height": 844}, locale=locale)
        context.set_default_timeout(60_000)
        page = context.new_page()
        page.goto(studio.url)
        expect(page).to_have_title(f"{title} · Orfeón Studio")
        accessible(page)
        fits(page)
        context.close()


def test_pages_can_be_walked_through_with_the_keyboard_alone(open_page: OpenPage) -> None:
    page = open_page()
    page.keyboard.press("Tab")
    expect(page.locator(".studio-skip")).to_be_focused()
    for name in ("Orfeón Studio", "Start", "Emotion"):
        page.keyboard.press("Tab")
        assert page.evaluate("document.activeElement.textContent").strip() == name
    page.keyboard.press("Enter")
    page.wait_for_url("**/studio/en/emotion")


def test_the_language_can_be_changed_on_every_page(open_page: OpenPage) -> None:
    page = open_page("song")
    page.get_by_role("link", name="Español").click()
    page.wait_for_url("**/studio/es/song")
    ready(page)
    expect(page.locator("nav [aria-current=page]")).to_have_text("Canción")


def test_the_first_page_is_light(browser: Browser, studio: Studio) -> None:
    context = browser.new_context()
    context.set_default_timeout(60_000)
    page = context.new_page()
    wire = context.new_cdp_session(page)
    wire.send("Network.enable")
    bytes_by_kind: Counter[str] = Counter()
    wire.on(
        "Network.loadingFinished",
        lambda event: bytes_by_kind.update(all=int(event["encodedDataLength"])),
    )
    enter(page, studio.url, studio.product.key)
    # The page goes on asking for the queue, so nothing else says that all has come.
    before = -1
    while before != (before := bytes_by_kind["all"]):
        page.wait_for_timeout(1000)
    context.close()
    assert 0 < bytes_by_kind["all"] < MOST_BYTES


@pytest.mark.parametrize("path", ["", "song", "queue"])
def test_a_page_at_rest_rests(open_page: OpenPage, path: str) -> None:
    page = open_page()
    page.context.add_init_script(
        """
        const ask = window.requestAnimationFrame.bind(window);
        window.frames_asked = 0;
        window.requestAnimationFrame = (draw) => (window.frames_asked++, ask(draw));
        """
    )
    joined = []
    page.on("request", lambda sent: joined.append(sent.url) if "queue/join" in sent.url else None)
    page.goto(f"{page.url}{path}")
    ready(page)
    page.wait_for_timeout(6000)
    # On a busy machine a page needs longer than that until all is there; one that draws on never
    # rests.
    for _ in range(30):
        before = page.evaluate("window.frames_asked")
        page.wait_for_timeout(1000)
        drawn = page.evaluate("window.frames_asked") - before
        if drawn < MOST_FRAMES:
            break
    assert before > 0
    assert drawn < MOST_FRAMES
    # Of the page's own, not of all the others.
    assert len(joined) <= 2


@pytest.mark.parametrize(("language", "said"), [("en", "Loading…"), ("es", "Cargando…")])
def test_who_waits_for_a_page_is_told_so(open_page: OpenPage, language: str, said: str) -> None:
    page = open_page(language=language)
    held: list[Route] = []
    page.route("**/assets/Blocks-*.js", lambda route: held.append(route))
    page.goto(f"{page.url}chat", wait_until="commit")
    loading = page.locator("p.loading")
    expect(loading).to_be_visible()
    assert page.evaluate(_SAYS, "p.loading") == f'"{said}"'
    expect(page.locator("[data-testid=status-tracker] svg").first).to_be_hidden()
    accessible(page)
    while not held:
        page.wait_for_timeout(50)
    held[0].continue_()
    ready(page)
    expect(loading).to_be_hidden()


def test_who_signs_out_is_out_in_every_tab(open_page: OpenPage) -> None:
    page = open_page("chat")
    other = page.context.new_page()
    other.goto(page.url)
    ready(other)
    page.get_by_role("button", name="Sign out").click()
    page.wait_for_url("**/studio/sign-in**")
    other.reload()
    other.wait_for_url("**/studio/sign-in?next=/studio/en/chat")
