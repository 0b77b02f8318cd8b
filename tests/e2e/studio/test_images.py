"""The page that makes images, in a browser: on SDXL of a few thousand random weights."""

from collections.abc import Iterator
from functools import partial
from pathlib import Path

import pytest
from PIL import Image
from playwright.sync_api import Browser, Page, expect

from services.studio.texts import LANGUAGES, Texts
from tests.e2e.conftest import Product, running
from tests.e2e.studio.browsers import OpenPage, accessible, fits, opener
from tests.e2e.studio.left import at_work, soon, uploads
from tests.tiny_sdxl import installed_sdxl

# diffusers hands torch's tensors to NumPy in a way that NumPy 2 deprecates.
pytestmark = pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")

EN = Texts("en")
PROMPT = "<b>cat</b>"
#: Enough to see how it goes on, and to stop it.
MANY = "150"


@pytest.fixture(scope="module")
def painter(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Product]:
    """A product that has a model which makes images, and none that chats."""
    home = tmp_path_factory.mktemp("painter")
    installed_sdxl(home, "tiny-sdxl")
    with running(home, "--capabilities", "images") as product:
        yield product


@pytest.fixture
def open_easel(
    browser: Browser, painter: Product, request: pytest.FixtureRequest
) -> Iterator[OpenPage]:
    """`open_page` of that product."""
    yield from opener(browser, painter.studio, painter.key, request)


def press(page: Page, key: str, t: Texts = EN) -> None:
    page.get_by_role("button", name=t(f"images.{key}"), exact=True).click()


def choose(page: Page, steps: str, seed: str = "", t: Texts = EN) -> None:
    """Fills the settings, which are open then."""
    if not page.get_by_label(t("images.steps"), exact=True).is_visible():
        page.get_by_role("button", name=t("images.settings")).click()
    page.get_by_label(t("images.steps"), exact=True).fill(steps)
    page.get_by_label(t("images.seed"), exact=True).fill(seed)


def start_from(page: Page, way: str, t: Texts = EN) -> None:
    page.get_by_label(t(f"images.way_{way}")).check()


@pytest.mark.parametrize("language", LANGUAGES)
def test_without_a_model_it_is_said_what_to_do(open_page: OpenPage, language: str) -> None:
    t = Texts(language)
    page = open_page("images", language, phone=language == "es")
    expect(page.locator("#images-problem")).to_contain_text("orfeon models pull sdxl-turbo")
    expect(page.get_by_role("button", name=t("images.make"))).to_have_count(0)
    accessible(page)
    fits(page)


def test_without_a_model_that_chats_so_does_that_page(open_easel: OpenPage) -> None:
    page = open_easel("chat")
    expect(page.get_by_text(EN("chat.no_model"))).to_be_visible()
    expect(page.get_by_role("button", name=EN("chat.send"), exact=True)).to_be_disabled()
    accessible(page)


@pytest.mark.parametrize("language", LANGUAGES)
def test_images_are_made_seen_and_downloaded(open_easel: OpenPage, language: str) -> None:
    t = Texts(language)
    page = open_easel("images", language, phone=language == "es", dark=language == "es")
    page.get_by_label(t("images.prompt")).fill(PROMPT)
    accessible(page)
    choose(page, MANY, "7", t)
    press(page, "make", t)
    progress = page.get_by_role("progressbar", name=t("images.progress"))
    expect(progress).to_have_attribute("max", MANY)
    accessible(page)
    expect(page.get_by_text(t("images.finished_one"))).to_be_visible()
    expect(progress).to_have_count(0)
    image = page.get_by_role("img", name=PROMPT)
    expect(image).to_be_visible()
    assert image.evaluate("image => image.decode().then(() => image.naturalWidth)") == 64
    expect(page.locator(".images-gallery")).to_contain_text(
        t("images.made", number=1, seed=7).rstrip(".")
    )
    with page.expect_download() as download:
        page.locator(".images-gallery a").click()
    assert download.value.suggested_filename == "7.png"
    with Image.open(download.value.path()) as file:
        assert (file.format, file.size, file.info["Seed"]) == ("PNG", (64, 64), "7")
    accessible(page)
    fits(page)


def test_what_was_made_stays_when_the_rest_is_stopped(
    open_easel: OpenPage, painter: Product
) -> None:
    page = open_easel("images")
    page.get_by_label(EN("images.prompt")).fill("a cat")
    page.get_by_label(f"number input for {EN('images.count')}").fill("10")
    choose(page, MANY)
    press(page, "make")
    expect(page.locator(".images-gallery li").first).to_be_visible()
    press(page, "stop")
    expect(page.get_by_text(EN("images.stopped"))).to_be_visible()
    assert 0 < page.locator(".images-gallery li").count() < 10
    assert at_work(painter, painter.key) == []
    accessible(page)


def test_a_picture_is_changed_and_varied_and_its_file_deleted(
    open_easel: OpenPage, painter: Product, tmp_path: Path
) -> None:
    red, broken = tmp_path / "red.png", tmp_path / "broken.png"
    Image.new("RGB", (120, 90), "red").save(red)
    broken.write_bytes(b"%PDF-1.7 is no picture" * 20)
    page = open_easel("images")
    start_from(page, "image-edit")
    page.get_by_label(EN("images.prompt")).fill("a cat")
    press(page, "make")
    expect(page.get_by_text(EN("images.no_picture"))).to_be_visible()
    page.locator("input[type=file]").set_input_files(broken)
    expect(page.get_by_text(EN("images.unreadable"))).to_be_visible()
    page.locator("input[type=file]").set_input_files(red)
    expect(page.get_by_alt_text(EN("images.picture", name="red.png"))).to_be_visible()
    for name in ("red.png", "broken.png"):
        assert soon(partial(uploads, painter, name)) == []
    accessible(page)
    press(page, "make")
    expect(page.get_by_role("img", name="a cat", exact=True)).to_be_visible()
    start_from(page, "image-variation")
    press(page, "make")
    expect(page.get_by_alt_text(EN("images.like", name="red.png"))).to_be_visible()
    press(page, "detach")
    expect(page.get_by_alt_text(EN("images.picture", name="red.png"))).to_have_count(0)
    accessible(page)


def test_bad_wishes_are_answered_with_sentences(open_easel: OpenPage) -> None:
    page = open_easel("images")
    press(page, "make")
    expect(page.get_by_text(EN("images.no_prompt"))).to_be_visible()
    page.get_by_label(EN("images.prompt")).fill("a cat " * 40)
    choose(page, "0.5")
    press(page, "make")
    expect(page.get_by_text(EN("images.bad_steps"))).to_be_visible()
    choose(page, "", "-1")
    press(page, "make")
    expect(page.get_by_text(EN("images.bad_seed"))).to_be_visible()
    choose(page, "")
    press(page, "make")
    expect(page.get_by_text("this model reads 16; shorten it.")).to_be_visible()
    accessible(page)
