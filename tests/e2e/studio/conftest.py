"""The web app of a real product, in a real browser with a microphone that hears a real voice."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from playwright.sync_api import Browser

from tests.e2e.conftest import Product
from tests.e2e.studio.browsers import OpenPage, chromium, opener

WORDS = "I am so happy to see you again after all this time, this is wonderful news!"


@dataclass
class Studio:
    """The web app, at an address without its path, and the product that it belongs to."""

    url: str
    product: Product


@pytest.fixture(scope="session")
def studio(product: Product) -> Studio:
    return Studio(product.studio, product)


@pytest.fixture(scope="session")
def clip(product: Product, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A voice of a few seconds, as a wav file of 16 bits, spoken by the product itself."""
    path = tmp_path_factory.mktemp("voices") / "voice.wav"
    asked = {"model": "tts-1", "voice": "joe", "input": WORDS, "response_format": "wav"}
    with product.http() as http:
        path.write_bytes(http.post("/v1/audio/speech", json=asked).raise_for_status().content)
    return path


# Not for the whole session: its loop would be in the way of tests that bring one of their own.
@pytest.fixture(scope="module")
def browser(clip: Path) -> Iterator[Browser]:
    with chromium(clip) as browser:
        yield browser


@pytest.fixture
def open_page(
    browser: Browser, studio: Studio, request: pytest.FixtureRequest
) -> Iterator[OpenPage]:
    yield from opener(browser, studio.url, studio.product.key, request)
