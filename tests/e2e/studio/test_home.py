"""The first page: what it says, and its three examples."""

import pytest
from playwright.sync_api import expect

from services.studio.texts import LANGUAGES, Texts
from tests.e2e.studio.browsers import OpenPage, accessible, fits

OTHERS = ("emotion", "song", "chat", "speak", "transcribe", "images", "models", "queue")


@pytest.mark.parametrize("language", LANGUAGES)
def test_three_examples_work_at_one_click(open_page: OpenPage, language: str) -> None:
    t = Texts(language)
    page = open_page(language=language, phone=language == "es", dark=language == "en")
    expect(page.get_by_role("heading", level=1)).to_have_text(t("home.title"))
    expect(page.get_by_text(t("home.privacy"))).to_be_visible()
    accessible(page)
    fits(page)

    page.get_by_role("button", name=t("home.hear_go")).click()
    answer = page.locator("#home-hear-result")
    # What a machine says without any feeling.
    expect(answer.locator(".emotion-headline")).to_contain_text(t("feelings.neutral"))
    expect(answer.get_by_role("listitem")).to_have_count(6)

    page.get_by_role("button", name=t("home.write_go")).click()
    expect(page.locator("#home-write-says")).to_have_text(t("home.write_done"))
    lines = page.locator("#home-write-result .verse").inner_text().split("\n")
    assert len(lines) == 4
    assert all(lines)

    page.get_by_role("button", name=t("home.say_go")).click()
    expect(page.locator("#home-say-says")).to_have_text(t("home.say_done"))
    # It has played by itself.
    player = page.locator("#home-say-result audio")
    expect(player).to_have_js_property("ended", True)
    assert player.evaluate("player => player.duration") > 1
    accessible(page)
    fits(page)


@pytest.mark.parametrize("language", LANGUAGES)
def test_it_leads_everywhere(open_page: OpenPage, language: str) -> None:
    page = open_page(language=language)
    links = page.locator(".home-pages a")
    expect(links).to_have_count(len(OTHERS))
    for name, link in zip(OTHERS, links.all(), strict=True):
        expect(link).to_have_text(Texts(language)(f"shell.{name}"))
        address = link.evaluate("link => link.href")
        assert address.endswith(f"/studio/{language}/{name}")
        assert page.request.get(address).ok
