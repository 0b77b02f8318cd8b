"""The web app in real browsers: its first page with an empty cache, and ten people at once.

`orfeon serve` with engines that answer at once, so that what is measured is the web app. One
Chromium shows the pages of all ten, on the same machine: its own work is part of the figures.
"""

import asyncio
import random
import statistics
import tempfile
import time
from collections.abc import Sequence
from contextlib import closing
from pathlib import Path

from playwright.async_api import Browser, BrowserContext, Page, async_playwright, expect

from bench.processes import free_port, process_of, serving, wait_for
from bench.report import Figure, print_figures, spread
from gateway.keystore import SCOPES, KeyStore

CHROMIUM = "/usr/bin/chromium"
PEOPLE = 10
#: How long they are there, and how long each looks before the next click, in seconds.
SECONDS, LOOKS = 180.0, (5.0, 15.0)
#: Seconds from one who comes to the next.
ARRIVES = 1.5
#: First visits, each by a browser that has never been there.
VISITS = 5
_PAGES = ("Emotion", "Song", "Chat", "Speak", "Transcribe", "Images", "Models", "Queue", "Start")
#: What a page still fetches when it can be used has come after so many milliseconds.
SETTLES = 3_000
_TIMEOUT = 30_000
#: Promises in each page after how many ms its parts were laid out and painted, by the browser's own
#: clock: who asks from outside hears of it late, being one of eleven on the same cores. They count
#: from the click, or from where the browser set out for the page where it opens it itself.
_WATCH = """{
    const heading = () => document.querySelector("gradio-app h1");
    const watch = (since, before) => window.laidOut = new Promise(tell =>
        new MutationObserver((_, observer) => {
            if (!heading() || heading() === before) return;
            observer.disconnect();
            requestAnimationFrame(() => setTimeout(() => tell(performance.now() - since)));
        }).observe(document, {childList: true, subtree: true})
    );
    watch(0, null);
    addEventListener("click", event => {
        if (event.target.closest("nav a")) watch(event.timeStamp, heading());
    }, true);
}"""


async def _enter(page: Page, url: str, key: str) -> float:
    """Signs in; returns the seconds from the click to a page that can be used."""
    await page.goto(f"{url}/studio/sign-in?lang=en")
    await page.fill("#key", key)
    began = time.monotonic()
    await page.click("form[action*='sign-in'] button")
    await page.locator("gradio-app h1").first.wait_for()
    return time.monotonic() - began


async def first_visits(browser: Browser, url: str, key: str) -> tuple[list[float], list[int]]:
    """Seconds to a first page that can be used, and bytes on the wire, of each visit."""
    seconds, sizes = [], []
    for _ in range(VISITS):
        context = await browser.new_context()
        page = await context.new_page()
        wire = await context.new_cdp_session(page)
        await wire.send("Network.enable")
        received: list[int] = []
        wire.on(
            "Network.loadingFinished",
            lambda event, received=received: received.append(int(event["encodedDataLength"])),
        )
        seconds.append(await _enter(page, url, key))
        # The page goes on asking for the queue, so that the network is never idle.
        await page.wait_for_timeout(SETTLES)
        sizes.append(sum(received))
        await context.close()
    return seconds, sizes


async def _walk(page: Page, chance: random.Random) -> float:
    """Opens another page by the menu; returns the seconds until it can be used."""
    here = await page.locator("nav [aria-current=page]").inner_text()
    return await _open(page, chance.choice([each for each in _PAGES if each != here]))


async def _open(page: Page, name: str) -> float:
    await page.get_by_role("navigation").get_by_role("link", name=name, exact=True).click()
    await page.locator("nav [aria-current=page]", has_text=name).wait_for()
    milliseconds: float = await page.evaluate("window.laidOut")
    return milliseconds / 1000


async def _talk(page: Page, chance: random.Random) -> float:
    """Says something on the page `chat`; returns the seconds until an answer begins."""
    if await page.locator("nav [aria-current=page]").inner_text() != "Chat":
        await _open(page, "Chat")
    send = page.get_by_role("button", name="Send", exact=True)
    # Nothing can be sent before the models have come.
    await expect(page.locator("#chat-model input")).not_to_have_value("")
    await expect(send).to_be_enabled()
    answers = page.locator(".chat-answer [data-said]")
    before = await answers.count()
    await page.get_by_label("Message").fill(f"{chance.randrange(100)} and {chance.randrange(100)}?")
    began = time.monotonic()
    await send.click()
    await expect(answers.nth(before)).not_to_be_empty()
    return time.monotonic() - began


async def person(
    browser: Browser, url: str, key: str, seed: int, began: float
) -> tuple[list[float], list[float]]:
    """What one person waited for pages and for answers, in seconds."""
    chance = random.Random(seed)
    context: BrowserContext = await browser.new_context(locale="en-GB")
    context.set_default_timeout(_TIMEOUT)
    await context.add_init_script(_WATCH)
    page = await context.new_page()
    await asyncio.sleep(seed * ARRIVES)
    await _enter(page, url, key)
    walked, talked = [], []
    # Those who come first wait for those who come last.
    await asyncio.sleep(max(0.0, began - time.monotonic()))
    until = began + SECONDS
    while time.monotonic() < until:
        await asyncio.sleep(chance.uniform(*LOOKS))
        if chance.random() < 0.3:
            talked.append(await _talk(page, chance))
        else:
            walked.append(await _walk(page, chance))
    await context.close()
    return walked, talked


def _p95(values: Sequence[float]) -> float:
    return statistics.quantiles(values, n=20)[-1] * 1000


def _median(values: Sequence[float]) -> str:
    return f"median {statistics.median(values) * 1000:.0f}"


async def measure(url: str, key: str) -> list[Figure]:
    """The figures of a web app at `url`."""
    expect.set_options(timeout=_TIMEOUT)
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        seconds, sizes = await first_visits(browser, url, key)
        began = time.monotonic() + PEOPLE * ARRIVES
        people = await asyncio.gather(
            *(person(browser, url, key, seed, began) for seed in range(PEOPLE))
        )
        await browser.close()
    walked = [each for walks, _ in people for each in walks]
    talked = [each for _, talks in people for each in talks]
    return [
        Figure("first page, empty cache", max(seconds), "s", 3, False, spread(seconds)),
        Figure("first page on the wire", max(sizes) / 1e6, "MB", 2, False),
        Figure(
            f"interactions, {PEOPLE} people, p95", _p95(walked + talked), "ms", 500, False,
            f"{len(walked)} pages, {len(talked)} answers",
        ),
        Figure("from page to page, p95", _p95(walked), "ms", note=_median(walked)),
        Figure("to an answer's first word, p95", _p95(talked), "ms", note=_median(talked)),
    ]  # fmt: skip


def main() -> None:
    """Measures and prints."""
    with tempfile.TemporaryDirectory() as folder:
        home, port = Path(folder) / "home", free_port()
        home.mkdir()
        with closing(KeyStore(f"sqlite:///{home}/orfeon.db")) as store:
            _, key = store.create("studio", scopes=SCOPES, requests_per_minute=10**6)
        with serving(home, "--engine", "fake", "--studio-port", str(port)) as served:
            wait_for(f"http://127.0.0.1:{port}/readyz", seconds=60)
            figures = asyncio.run(measure(f"http://127.0.0.1:{port}", key))
            memory = process_of(served.pid, "services.studio").memory_info().rss / 2**20
        print_figures("Studio", [*figures, Figure("memory after that", memory, "MiB")])
