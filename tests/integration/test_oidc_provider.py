"""The provider that tests sign in at: what it promises to clients."""

import base64
import hashlib
from collections.abc import Iterator
from urllib.parse import parse_qs, urlsplit

import httpx
import pytest
from joserfc import jwt

from tests.fakes.tokens import key_set
from tests.integration.oidc_provider import Provider

CLIENT = "studio"
BACK = "http://127.0.0.1:9/callback"
VERIFIER = "a-verifier-that-nobody-guesses-0123456789abcdef"
CHALLENGE = (
    base64.urlsafe_b64encode(hashlib.sha256(VERIFIER.encode()).digest()).rstrip(b"=").decode()
)
ASKED = {
    "response_type": "code",
    "client_id": CLIENT,
    "redirect_uri": BACK,
    "scope": "openid profile orfeon:chat",
    "state": "mine",
    "nonce": "once",
    "code_challenge": CHALLENGE,
    "code_challenge_method": "S256",
}
EXCHANGE = {
    "grant_type": "authorization_code",
    "client_id": CLIENT,
    "redirect_uri": BACK,
    "code_verifier": VERIFIER,
}


@pytest.fixture
def provider() -> Iterator[Provider]:
    with Provider(clients={CLIENT: [BACK]}) as provider:
        yield provider


def sent_back(answer: httpx.Response) -> dict[str, str]:
    """What the client's address was told."""
    assert answer.status_code == 302
    assert answer.headers["location"].startswith(BACK)
    told = parse_qs(urlsplit(answer.headers["location"]).query)
    return {name: values[0] for name, values in told.items()}


def test_a_user_is_signed_in_by_one_click_and_stays_so_by_refreshing(provider: Provider) -> None:
    with httpx.Client(base_url=provider.issuer) as browser:
        found = browser.get("/.well-known/openid-configuration").json()
        page = browser.get(found["authorization_endpoint"], params=ASKED)
        assert 'name="user" value="ada"' in page.text
        told = sent_back(browser.post("/authorize", data={**ASKED, "user": "ada"}))
        assert (told["state"], told["iss"]) == ("mine", provider.issuer)
        first = browser.post(found["token_endpoint"], data={**EXCHANGE, "code": told["code"]})
        refreshing = {"grant_type": "refresh_token", "client_id": CLIENT}
        given = {**refreshing, "refresh_token": first.json()["refresh_token"]}
        second = browser.post(found["token_endpoint"], data=given)
        used = browser.post(found["token_endpoint"], data=given)
        bearer = {"authorization": f"Bearer {second.json()['access_token']}"}
        assert browser.get("/userinfo", headers=bearer).json()["name"] == "Ada Lovelace"
        assert (
            browser.get("/userinfo", headers={"authorization": "Bearer a.b.c"}).status_code == 401
        )
    keys = key_set(*provider.signers)
    access = jwt.decode(second.json()["access_token"], keys)
    assert access.header["typ"] == "at+jwt"
    assert access.claims["aud"] == "orfeon"
    assert access.claims["scope"] == ASKED["scope"]
    identity = jwt.decode(first.json()["id_token"], keys).claims
    assert (identity["aud"], identity["nonce"], identity["sub"]) == (CLIENT, "once", "ada")
    assert used.json()["error"] == "invalid_grant"


def test_a_code_is_good_once_and_only_for_who_asked_for_it(provider: Provider) -> None:
    with httpx.Client(base_url=provider.issuer) as browser:

        def code() -> str:
            return sent_back(browser.post("/authorize", data={**ASKED, "user": "ada"}))["code"]

        once = {**EXCHANGE, "code": code()}
        assert browser.post("/token", data=once).status_code == 200
        for wrong in (
            once,
            {**EXCHANGE, "code": code(), "code_verifier": "guessed"},
            {**EXCHANGE, "code": code(), "redirect_uri": "http://elsewhere"},
            {**EXCHANGE, "code": code(), "client_id": "another"},
        ):
            assert browser.post("/token", data=wrong).status_code in (400, 401)
        refused = browser.get("/authorize", params={**ASKED, "redirect_uri": "http://elsewhere"})
        assert refused.status_code == 400
        plain = browser.get("/authorize", params={**ASKED, "code_challenge_method": "plain"})
        assert sent_back(plain)["error"] == "invalid_request"


def test_it_can_sign_in_by_itself_go_away_and_change_its_keys() -> None:
    with Provider(automatic=True, algorithm="ES256") as provider:
        told = sent_back(httpx.get(f"{provider.issuer}/authorize", params=ASKED))
        assert told["code"]
        old = httpx.get(f"{provider.issuer}/jwks").json()["keys"]
        provider.rotate(keep=True)
        assert old[0] in httpx.get(f"{provider.issuer}/jwks").json()["keys"]
        provider.rotate()
        assert len(httpx.get(f"{provider.issuer}/jwks").json()["keys"]) == 1
        provider.stop()
        with pytest.raises(httpx.ConnectError):
            httpx.get(f"{provider.issuer}/jwks")
        provider.start()


def test_a_browser_stays_signed_in_until_it_signs_out(provider: Provider) -> None:
    with httpx.Client(base_url=provider.issuer) as browser:
        sent_back(browser.post("/authorize", data={**ASKED, "user": "ada"}))
        told = sent_back(browser.get("/authorize", params=ASKED))
        given = browser.post("/token", data={**EXCHANGE, "code": told["code"]}).json()
        out = {
            "id_token_hint": given["id_token"],
            "client_id": CLIENT,
            "post_logout_redirect_uri": BACK,
            "state": "bye",
        }
        for wrong in (
            {**out, "id_token_hint": given["id_token"][:-9] + "AAAAAAAAA"},
            {**out, "id_token_hint": ""},
            {**out, "client_id": "another"},
            {**out, "post_logout_redirect_uri": "http://elsewhere"},
        ):
            assert browser.get("/logout", params=wrong).status_code == 400
        assert sent_back(browser.get("/authorize", params=ASKED))["code"]
        assert sent_back(browser.get("/logout", params=out)) == {"state": "bye"}
        assert browser.get("/authorize", params=ASKED).status_code == 200


def test_a_refresh_token_is_taken_back(provider: Provider) -> None:
    with httpx.Client(base_url=provider.issuer) as browser:
        told = sent_back(browser.post("/authorize", data={**ASKED, "user": "ada"}))
        given = browser.post("/token", data={**EXCHANGE, "code": told["code"]}).json()
        token = {"token": given["refresh_token"]}
        assert browser.post("/revoke", data={**token, "client_id": "another"}).status_code == 401
        for _ in range(2):
            assert browser.post("/revoke", data={**token, "client_id": CLIENT}).status_code == 200
        refreshing = {"grant_type": "refresh_token", "client_id": CLIENT}
        given = {**refreshing, "refresh_token": given["refresh_token"]}
        assert browser.post("/token", data=given).json()["error"] == "invalid_grant"
