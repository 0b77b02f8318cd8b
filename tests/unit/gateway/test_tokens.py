import hashlib
import hmac
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.keystore import is_token
from gateway.tokens import MOST_CHARACTERS, REMEMBERED_SECONDS
from services.runtime.errors import InvalidApiKey, ServiceUnavailable
from tests.fakes.provider import AUDIENCE, ISSUER, FakeProvider
from tests.fakes.tokens import Signer, encoded, part


async def refusal(provider: FakeProvider, token: str, **settings: Any) -> str:
    """What is said of a token, which must be refused."""
    with pytest.raises(InvalidApiKey) as caught:
        await provider.tokens(**settings).authenticate(token)
    assert token not in caught.value.message
    return caught.value.message


@pytest.mark.parametrize("algorithm", ["RS256", "PS256", "ES256", "EdDSA"])
async def test_a_token_stands_for_a_person(algorithm: str) -> None:
    provider = FakeProvider(Signer(algorithm))
    key = await provider.tokens().authenticate(provider.token())
    assert key.scopes == {"chat"}
    assert key.priority_floor == 1
    assert key.expires == provider.now + 300
    assert key.requests_per_minute is None


async def test_all_tokens_of_a_person_have_one_id_and_no_other_person_has_it() -> None:
    provider = FakeProvider()
    tokens = provider.tokens()

    async def identity(**claims: Any) -> str:
        return (await tokens.authenticate(provider.token(email="ada@example.org", **claims))).id

    ada = await identity()
    assert ada == await identity(jti="another", scope="")
    assert ada != await identity(sub="bob")
    assert ada != await identity(sub="ada ")
    # As the ids of keys, it has to fit into the table of usage.
    assert ada.startswith("sub_")
    assert len(ada) == 32
    assert "ada" not in ada


@pytest.mark.parametrize("kind", ["at+jwt", "AT+JWT", "application/at+jwt", "JWT", None])
async def test_types_of_access_tokens_are_taken(kind: str | None) -> None:
    provider = FakeProvider()
    assert await provider.tokens().authenticate(
        provider.signers[0].sign(provider.claims(), typ=kind)
    )


@pytest.mark.parametrize("audience", [AUDIENCE, [AUDIENCE], ["account", AUDIENCE]])
async def test_an_audience_may_be_one_of_several(audience: object) -> None:
    provider = FakeProvider()
    assert await provider.tokens().authenticate(provider.token(aud=audience))


@pytest.mark.parametrize(
    ("claims", "said"),
    [
        ({"iss": "https://evil.example.org"}, "another issuer"),
        ({"iss": f"{ISSUER}/"}, "another issuer"),
        ({"iss": [ISSUER]}, "another issuer"),
        ({"iss": None}, "lacks the claim 'iss'"),
        ({"aud": "account"}, "another audience"),
        ({"aud": ["account", f"{AUDIENCE}2"]}, "another audience"),
        ({"aud": []}, "another audience"),
        ({"aud": {AUDIENCE: 1}}, "another audience"),
        ({"aud": None}, "lacks the claim 'aud'"),
        ({"exp": FakeProvider().now - 61}, "has expired"),
        ({"exp": "tomorrow"}, "when it expires"),
        ({"exp": True}, "when it expires"),
        ({"exp": float("inf")}, "when it expires"),
        ({"exp": float("nan")}, "when it expires"),
        ({"exp": None}, "lacks the claim 'exp'"),
        ({"nbf": FakeProvider().now + 61}, "not valid yet"),
        ({"nbf": "now"}, "not valid yet"),
        ({"iat": FakeProvider().now + 61}, "in the future"),
        ({"sub": None}, "lacks the claim 'sub'"),
        ({"sub": ""}, "names nobody"),
        ({"sub": 7}, "names nobody"),
    ],
)
async def test_claims_that_are_not_for_us_are_refused(claims: dict[str, Any], said: str) -> None:
    provider = FakeProvider()
    assert said in await refusal(provider, provider.token(**claims))


@pytest.mark.parametrize("claims", [{"exp": -59}, {"nbf": 60}, {"iat": 60}])
async def test_clocks_may_differ_by_the_leeway(claims: dict[str, float]) -> None:
    provider = FakeProvider()
    skewed = {name: provider.now + seconds for name, seconds in claims.items()}
    assert await provider.tokens().authenticate(provider.token(**skewed))
    assert await refusal(provider, provider.token(**skewed), leeway_seconds=0)


async def test_a_signature_by_another_key_of_the_same_name_is_refused() -> None:
    provider = FakeProvider()
    forger = Signer(kid=provider.signers[0].kid)
    assert "signature" in await refusal(provider, forger.sign(provider.claims()))


async def test_what_was_changed_after_it_was_signed_is_refused() -> None:
    provider = FakeProvider()
    head, _, signature = provider.token().split(".")
    forged = part(provider.claims(scope="orfeon:admin"))
    assert "signature" in await refusal(provider, f"{head}.{forged}.{signature}")
    head, body, _ = provider.token().split(".")
    for nothing in ("", "AAAA", encoded(bytes(64))):
        assert "signature" in await refusal(provider, f"{head}.{body}.{nothing}")


@pytest.mark.parametrize("name", ["none", "None", "NONE", ""])
async def test_a_token_that_nobody_signed_is_refused(name: str) -> None:
    provider = FakeProvider()
    head = part({"alg": name, "typ": "at+jwt", "kid": provider.signers[0].kid})
    token = f"{head}.{part(provider.claims())}."
    assert "algorithm" in await refusal(provider, token)
    assert provider.asked == []


async def test_a_public_key_is_no_secret_to_sign_with() -> None:
    provider = FakeProvider(Signer("RS256"))
    public = provider.signers[0].key.as_pem(private=False)
    head = part({"alg": "HS256", "typ": "at+jwt", "kid": provider.signers[0].kid})
    signed = f"{head}.{part(provider.claims())}"
    signature = encoded(hmac.new(public, signed.encode(), hashlib.sha256).digest())
    assert "algorithm" in await refusal(provider, f"{signed}.{signature}")


async def test_an_algorithm_that_is_not_allowed_is_refused() -> None:
    provider = FakeProvider(Signer("RS256"))
    said = await refusal(provider, provider.token(), algorithms=["ES256"])
    assert said.endswith("accepted here: ES256.")


async def test_an_algorithm_must_fit_the_key() -> None:
    provider = FakeProvider(Signer("RS256"))
    for name in ("ES256", "PS256", "EdDSA"):
        token = provider.signers[0].sign(provider.claims(), alg=name)
        assert "does not fit the key" in await refusal(provider, token)


async def test_a_key_that_the_provider_does_not_publish_is_refused() -> None:
    provider = FakeProvider()
    assert "does not publish" in await refusal(provider, Signer().sign(provider.claims()))


async def test_keys_that_a_token_brings_along_are_not_looked_at() -> None:
    provider = FakeProvider()
    forger = Signer()
    for header in (
        {"jwk": forger.public()},
        {"jku": "https://evil.example.org/keys"},
        {"x5u": "https://evil.example.org/certificate"},
    ):
        token = forger.sign(provider.claims(), kid=provider.signers[0].kid, **header)
        assert "signature" in await refusal(provider, token)
    assert not any("evil" in url for url in provider.asked)


@pytest.mark.parametrize(
    ("header", "said"),
    [
        ({"crit": ["exp"], "exp": 1}, "extension"),
        ({"crit": ["b64"], "b64": False}, "extension"),
        ({"crit": []}, "extension"),
        ({"typ": "logout+jwt"}, "no access token"),
        ({"typ": ["JWT"]}, "no access token"),
        ({"alg": ["ES256"]}, "cannot be read"),
        ({"alg": None}, "cannot be read"),
        ({"kid": 7}, "cannot be read"),
        ({"kid": {"a": 1}}, "cannot be read"),
    ],
)
async def test_headers_that_are_none_are_refused(header: dict[str, Any], said: str) -> None:
    provider = FakeProvider()
    token = provider.signers[0].sign(provider.claims(), **header)
    assert said in await refusal(provider, token)


@pytest.mark.parametrize("claims", [[], "text", 7, None, [["exp", 1]]])
async def test_claims_that_are_no_object_are_refused(claims: object) -> None:
    provider = FakeProvider()
    assert "cannot be read" in await refusal(provider, provider.signers[0].sign(claims))


@pytest.mark.parametrize("share", [0.0, 0.5, 1.0])
async def test_a_token_that_is_too_large_is_refused_unread(share: float) -> None:
    provider = FakeProvider()
    head, body = (int(part * MOST_CHARACTERS * 0.8) for part in (share, 1 - share))
    claims = provider.claims(padding="x" * body)
    said = await refusal(provider, provider.signers[0].sign(claims, padding="x" * head))
    assert "16 KiB" in said
    assert provider.asked == []


async def test_depth_without_end_is_refused() -> None:
    provider = FakeProvider()
    deep = encoded(b"[" * 8_000)
    head = part({"alg": "ES256"})
    for token in (f"{deep}.{deep}.", f"{head}.{deep}.AA", f"{encoded(b'1' * 9_000)}.AA.AA"):
        assert "cannot be read" in await refusal(provider, token)


@given(
    st.one_of(
        st.text(max_size=60).map(lambda text: f"{text}.e30.AA"),
        st.recursive(
            st.none() | st.booleans() | st.integers() | st.text(max_size=5),
            lambda inner: (
                st.dictionaries(
                    st.sampled_from(["alg", "kid", "typ", "crit", "b64", "jwk", "x"]),
                    inner,
                    max_size=5,
                )
                | st.lists(inner, max_size=3)
            ),
            max_leaves=8,
        ).map(lambda header: f"{part(header)}.e30.AA"),
        st.binary(max_size=60).map(lambda data: f"{encoded(data)}.{encoded(data)}.AA"),
    )
)
async def test_whatever_comes_is_refused_in_a_sentence(token: str) -> None:
    assert await refusal(FakeProvider(ANY), token)


ANY = Signer()


@pytest.mark.parametrize(
    ("claims", "settings", "scopes"),
    [
        ({"scope": "orfeon:chat orfeon:admin"}, {}, {"chat", "admin"}),
        ({"scope": ["orfeon:song", 7, "email"]}, {}, {"song"}),
        ({"scope": "chat orfeon:nothing orfeon: openid"}, {}, set()),
        ({"scope": {"orfeon:chat": 1}}, {}, set()),
        ({"scope": None}, {"default_scopes": ["chat", "models"]}, {"chat", "models"}),
        ({"scope": "staff"}, {"scopes": {"staff": ["speech", "lyrics"]}}, {"speech", "lyrics"}),
        (
            {"realm_access": {"roles": ["orfeon:images", "default"]}},
            {"scopes_claim": "realm_access.roles"},
            {"images"},
        ),
        ({"realm_access": ["orfeon:images"]}, {"scopes_claim": "realm_access.roles"}, set()),
        (
            {"https://a.example.org/roles": ["orfeon:melody"]},
            {"scopes_claim": "https://a.example.org/roles"},
            {"melody"},
        ),
    ],
)
async def test_scopes_come_from_a_claim(
    claims: dict[str, Any], settings: dict[str, Any], scopes: set[str]
) -> None:
    provider = FakeProvider()
    key = await provider.tokens(**settings).authenticate(provider.token(**claims))
    assert key.scopes == scopes


@pytest.mark.parametrize(
    ("claimed", "level"),
    [(0, 0), (2, 2), ("0", 0), (3, 1), (-1, 1), (True, 1), ([0], 1), (None, 1)],
)
async def test_a_claim_may_set_the_floor_of_priorities(claimed: object, level: int) -> None:
    provider = FakeProvider()
    tokens = provider.tokens(priority_claim="orfeon.priority")
    key = await tokens.authenticate(provider.token(orfeon={"priority": claimed}))
    assert key.priority_floor == level


async def test_a_person_has_the_rates_that_settings_say() -> None:
    provider = FakeProvider()
    tokens = provider.tokens(requests_per_minute=7, tokens_per_minute=70, priority_floor=2)
    key = await tokens.authenticate(provider.token())
    assert (key.requests_per_minute, key.tokens_per_minute, key.priority_floor) == (7, 70, 2)


async def test_a_good_token_is_not_verified_again_for_a_while() -> None:
    provider = FakeProvider()
    tokens = provider.tokens()
    token = provider.token()
    first = await tokens.authenticate(token)
    assert await tokens.authenticate(token) is first
    provider.now += REMEMBERED_SECONDS
    assert await tokens.authenticate(token) is not first


async def test_what_is_remembered_expires_when_it_should() -> None:
    provider = FakeProvider()
    tokens = provider.tokens(leeway_seconds=0)
    token = provider.token(exp=provider.now + 5)
    await tokens.authenticate(token)
    provider.now += 5
    with pytest.raises(InvalidApiKey, match="expired"):
        await tokens.authenticate(token)


async def test_what_is_remembered_goes_with_the_key_that_signed_it() -> None:
    provider = FakeProvider()
    tokens = provider.tokens()
    token = provider.token()
    await tokens.authenticate(token)
    provider.signers = (Signer(),)
    provider.now += 5
    # A token of the new key has the keys fetched, within the time that the old one is remembered.
    await tokens.authenticate(provider.token())
    with pytest.raises(InvalidApiKey, match="does not publish"):
        await tokens.authenticate(token)


async def test_while_no_keys_are_known_a_token_is_neither_good_nor_bad() -> None:
    provider = FakeProvider()
    provider.away = True
    with pytest.raises(ServiceUnavailable):
        await provider.tokens().authenticate(provider.token())


async def test_what_is_remembered_is_not_good_for_longer_than_the_keys() -> None:
    provider = FakeProvider()
    tokens = provider.tokens(stale_seconds=10, refresh_seconds=10)
    token = provider.token()
    await tokens.authenticate(token)
    provider.away = True
    provider.now += 11
    with pytest.raises(ServiceUnavailable):
        await tokens.authenticate(token)


def test_keys_are_told_from_tokens() -> None:
    assert is_token("a.b.c")
    assert not is_token("sk-orf-a.b.c")
    assert not is_token("a.b")
    assert not is_token("a.b.c.d.e")
