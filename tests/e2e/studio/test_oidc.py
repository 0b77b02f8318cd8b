"""People sign in at a real provider, in a real browser, and are let in by the gateway."""

import json
from collections.abc import Iterator
from urllib.parse import urlsplit

import httpx
import pytest
from playwright.sync_api import Browser, Page, expect

from services.studio.sessions import COOKIE
from tests.e2e.conftest import Product, running
from tests.e2e.studio.browsers import accessible, keep, ready
from tests.integration.oidc_provider import Provider


@pytest.fixture(scope="module")
def provider() -> Iterator[Provider]:
    # Tokens of ten seconds: the web app renews them all the time.
    with Provider(audience="orfeon", expires_in=10) as provider:
        yield provider


@pytest.fixture(scope="module")
def open_to_people(
    provider: Provider, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Product]:
    with running(
        tmp_path_factory.mktemp("home"),
        "--engine",
        "fake",
        ORFEON_GATEWAY_OIDC_ISSUER=provider.issuer,
        ORFEON_GATEWAY_OIDC_AUDIENCE="orfeon",
        ORFEON_GATEWAY_OIDC_LEEWAY_SECONDS="0",
        ORFEON_GATEWAY_OIDC_DEFAULT_SCOPES=json.dumps(["chat", "models"]),
        ORFEON_STUDIO_OIDC_ISSUER=provider.issuer,
        ORFEON_STUDIO_OIDC_CLIENT_ID="studio",
        ORFEON_STUDIO_OIDC_NAME="Example",
    ) as product:
        yield product


@pytest.fixture
def page(browser: Browser) -> Iterator[Page]:
    context = browser.new_context(locale="en-GB")
    context.set_default_timeout(60_000)
    yield context.new_page()
    context.close()


def sign_in(page: Page, product: Product, path: str = "queue") -> None:
    page.goto(f"{product.studio}/studio/en/{path}")
    page.get_by_role("link", name="Sign in with Example").click()
    page.get_by_role("button", name="Sign in as ada").click()
    page.wait_for_url(f"**/studio/en/{path}")
    ready(page)


def test_somebody_signs_in_at_the_provider_and_gets_where_they_wanted(
    page: Page, open_to_people: Product
) -> None:
    page.goto(f"{open_to_people.studio}/studio/en/queue")
    accessible(page)
    keep(page, "sign in with a provider")
    sign_in(page, open_to_people)
    expect(page.get_by_title("Signed in as Ada Lovelace")).to_be_visible()
    [cookie] = [each for each in page.context.cookies() if each["name"] == COOKIE]
    assert cookie["httpOnly"]
    assert cookie["sameSite"] == "Lax"
    assert "." not in cookie["value"]


def test_keys_that_the_provider_changes_are_taken_without_a_restart(
    page: Page, open_to_people: Product, provider: Provider
) -> None:
    sign_in(page, open_to_people)
    provider.rotate()
    # The next token has a signature that the gateway has never seen.
    page.goto(f"{open_to_people.studio}/studio/en/models")
    ready(page)
    expect(page.get_by_role("row").filter(has_text="whisper-1").first).to_be_visible()
    expect(page.get_by_role("alert")).to_have_text("")
    page.get_by_role("button", name="Sign out").click()
    page.wait_for_url("**/studio/sign-in")
    sign_in(page, open_to_people, "models")


def test_who_signs_out_is_signed_out_at_the_provider_too(
    page: Page, open_to_people: Product
) -> None:
    violations = []
    page.on("console", lambda said: violations.append(said.text))
    sign_in(page, open_to_people)
    # The provider knows a browser again, whoever sits there by now.
    page.context.clear_cookies(name=COOKIE)
    page.goto(f"{open_to_people.studio}/studio/en/queue")
    page.get_by_role("link", name="Sign in with Example").click()
    page.wait_for_url("**/studio/en/queue")
    ready(page)
    page.get_by_role("button", name="Sign out").click()
    page.wait_for_url("**/studio/sign-in")
    assert [each for each in page.context.cookies() if each["name"] == COOKIE] == []
    page.get_by_role("link", name="Sign in with Example").click()
    expect(page.get_by_role("button", name="Sign in as ada")).to_be_visible()
    assert [each for each in violations if "Content Security Policy" in each] == []


def test_a_provider_that_is_away_keeps_nobody_signed_in(
    page: Page, open_to_people: Product, provider: Provider
) -> None:
    sign_in(page, open_to_people)
    [kept] = [each["value"] for each in page.context.cookies() if each["name"] == COOKIE]
    provider.stop()
    try:
        leaving = f"{provider.issuer}/logout"
        with page.expect_event("requestfailed", lambda asked: asked.url.startswith(leaving)):
            page.get_by_role("button", name="Sign out").click()
        # Not even with the cookie that there was.
        page.context.add_cookies([{"name": COOKIE, "value": kept, "url": open_to_people.studio}])
        other = page.context.new_page()
        other.goto(f"{open_to_people.studio}/studio/en/queue")
        other.wait_for_url("**/studio/sign-in?next=/studio/en/queue")
    finally:
        provider.start()


def test_whom_the_gateway_does_not_take_is_told_so(
    page: Page, open_to_people: Product, provider: Provider
) -> None:
    provider.audience, kept = "another program", provider.audience
    try:
        page.goto(f"{open_to_people.studio}/studio/en/")
        page.get_by_role("link", name="Sign in with Example").click()
        page.get_by_role("button", name="Sign in as ada").click()
        expect(page.get_by_role("alert")).to_contain_text("may not use this server")
    finally:
        provider.audience = kept


@pytest.mark.parametrize(
    "query", ["", "?state=made-up&code=made-up", "?error=access_denied&state=x", "?state=a&state=b"]
)
def test_who_comes_back_without_having_left_is_not_let_in(
    open_to_people: Product, query: str
) -> None:
    answer = httpx.get(f"{open_to_people.studio}/studio/oidc/callback{query}", timeout=60)
    assert answer.status_code == 400
    assert "orfeon_session" not in answer.headers.get("set-cookie", "")
    assert "Try again" in answer.text


def test_an_attempt_of_one_browser_is_of_no_use_in_another(open_to_people: Product) -> None:
    started = httpx.get(
        f"{open_to_people.studio}/studio/oidc/start?next=/studio/en/chat", timeout=60
    )
    asked = started.headers["location"] + "&user=ada"
    back = httpx.get(asked, timeout=60).headers["location"]
    assert urlsplit(back).path == "/studio/oidc/callback"
    assert httpx.get(back, timeout=60).status_code == 400


@pytest.mark.parametrize("next", ["https://evil.example/", "//evil.example", "/\\evil.example"])
def test_nobody_is_led_to_another_site(open_to_people: Product, next: str) -> None:
    with httpx.Client(timeout=60) as browser:
        started = browser.get(f"{open_to_people.studio}/studio/oidc/start", params={"next": next})
        back = browser.get(started.headers["location"] + "&user=ada").headers["location"]
        entered = browser.get(back)
        assert entered.status_code == 303
        assert entered.headers["location"] == "/studio/en/"


def test_tokens_go_to_no_browser(open_to_people: Product) -> None:
    with httpx.Client(follow_redirects=True, timeout=60) as browser:
        started = browser.get(f"{open_to_people.studio}/studio/oidc/start", follow_redirects=False)
        page = browser.get(started.headers["location"] + "&user=ada")
        assert page.status_code == 200
        seen = page.text + str(browser.cookies) + str(page.history)
        assert "eyJ" not in seen
