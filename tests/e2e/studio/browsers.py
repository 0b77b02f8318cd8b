"""A real browser that looks at the web app, and what is asked of every page it opens."""

import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import (
    Browser,
    BrowserContext,
    ConsoleMessage,
    Page,
    ViewportSize,
    expect,
    sync_playwright,
)

CHROMIUM = Path("/usr/bin/chromium")
PHONE: ViewportSize = {"width": 390, "height": 844}
DESK: ViewportSize = {"width": 1280, "height": 900}
#: Where pages are kept as they looked at the end of a test.
SCREENSHOTS = Path(__file__).resolve().parents[3] / "build" / "screenshots"

LOCALES = {"en": "en-GB", "es": "es-ES"}
_GRAVE = ("serious", "critical")
#: Waits for what fades, but not for what pulses, or counts seconds.
_FADED = """async () => {
    const fading = () => document.getAnimations().filter(
        each => each.playState === "running" && each.effect.getComputedTiming().endTime <= 1000
    );
    const frame = () => new Promise(done => requestAnimationFrame(done));
    do {
        await Promise.allSettled(fading().map(each => each.finished));
        // One may follow another.
        await frame();
        await frame();
    } while (fading().length);
}"""


@dataclass
class Watched:
    """What a browser context did that no page of ours may do."""

    host: str
    foreign: list[str] = field(default_factory=list)
    violations: list[str] = field(default_factory=list)
    errors: list[str] = field(default_factory=list)

    def watch(self, context: BrowserContext) -> None:
        """Notes what every page of the context does from now on."""
        context.on("request", lambda request: self._requested(request.url))
        context.on("console", self._said)
        context.on("weberror", lambda error: self.errors.append(str(error.error)))

    def verify(self) -> None:
        """Raises unless everything stayed on the host, inside the policy, and without a fault."""
        assert self.foreign == []
        assert self.violations == []
        assert self.errors == []

    def _requested(self, url: str) -> None:
        parts = urlsplit(url)
        if parts.scheme not in ("data", "blob") and parts.netloc != self.host:
            self.foreign.append(url)

    def _said(self, message: ConsoleMessage) -> None:
        if "Content Security Policy" in message.text or "Content-Security-Policy" in message.text:
            self.violations.append(message.text)


@contextmanager
def chromium(voice: Path | None = None) -> Iterator[Browser]:
    """Debian's Chromium, whose microphone hears the file `voice` again and again, or beeps."""
    arguments = [
        "--no-sandbox",
        "--use-fake-ui-for-media-stream",
        "--use-fake-device-for-media-stream",
        "--autoplay-policy=no-user-gesture-required",
    ]
    # A busy machine takes longer than the five seconds that are usual.
    expect.set_options(timeout=60_000)
    if voice is not None:
        arguments.append(f"--use-file-for-fake-audio-capture={voice}")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=arguments)
        try:
            yield browser
        finally:
            browser.close()


def enter(page: Page, url: str, key: str, path: str = "", language: str = "en") -> None:
    """Signs in with a key and opens a page."""
    page.goto(f"{url}/studio/sign-in?next=/studio/{language}/{path}")
    page.fill("#key", key)
    page.click("form[action*='sign-in'] button")
    page.wait_for_url(f"**/studio/{language}/{path}")
    ready(page)


def ready(page: Page) -> None:
    """Waits until a page is laid out and can be used."""
    page.locator("gradio-app h1").first.wait_for()


def accessible(page: Page) -> None:
    """Raises where axe-core finds something serious on the page, once what fades has faded."""
    page.evaluate(_FADED)
    findings = Axe().run(page).response["violations"]
    bad = [
        f"{each['id']}: {node['html'][:200]}"
        for each in findings
        if each["impact"] in _GRAVE
        for node in each["nodes"]
    ]
    assert bad == []


def fits(page: Page) -> None:
    """Raises where the page is wider than the screen."""
    wide: dict[str, Any] = page.evaluate(
        "({page: document.documentElement.scrollWidth, screen: window.innerWidth})"
    )
    assert wide["page"] <= wide["screen"]


def keep(page: Page, name: str) -> Path:
    """Keeps a picture of the whole page; returns where."""
    SCREENSHOTS.mkdir(parents=True, exist_ok=True)
    path = SCREENSHOTS / f"{re.sub(r'[^a-z0-9]+', '-', name.lower()).strip('-')}.png"
    page.screenshot(path=path, full_page=True)
    return path


OpenPage = Callable[..., Page]


def opener(
    browser: Browser, url: str, key: str, request: pytest.FixtureRequest
) -> Iterator[OpenPage]:
    """Opens pages for one test: `open_page(path, language, phone, dark, key, **context options)`.

    At its end every page is kept as a picture, and looked at for what none may do.
    """
    opened: list[tuple[BrowserContext, Watched]] = []

    def open_page(
        path: str = "",
        language: str = "en",
        phone: bool = False,
        dark: bool = False,
        key: str = key,
        **options: Any,
    ) -> Page:
        context = browser.new_context(
            viewport=PHONE if phone else DESK,
            locale=LOCALES[language],
            color_scheme="dark" if dark else "light",
            # What fades has a contrast of the moment.
            reduced_motion="reduce",
            has_touch=phone,
            **options,
        )
        context.set_default_timeout(60_000)
        watched = Watched(urlsplit(url).netloc)
        watched.watch(context)
        opened.append((context, watched))
        page = context.new_page()
        enter(page, url, key, path, language)
        return page

    try:
        yield open_page
    finally:
        for number, (context, _) in enumerate(opened):
            for page in context.pages:
                keep(page, f"{request.node.name}-{number}")
            context.close()
    for _, watched in opened:
        watched.verify()
