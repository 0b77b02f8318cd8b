"""What went wrong, as sentences in the language of the page."""

from typing import Any

import httpx
import httpx2
import openai
import pytest

from gateway.errors import envelope, headers_of
from orfeon import errors as ours
from services.runtime.errors import (
    BY_REASON,
    ContentTooLarge,
    InvalidRequest,
    ModelLoading,
    Overloaded,
)
from services.runtime.errors import OrfeonError as ServiceError
from services.studio.failures import kind_of, sentence_of, signs_out
from services.studio.sessions import ProviderFailed, SignedOut
from services.studio.texts import LANGUAGES, Texts, sentences

EN, ES = Texts("en"), Texts("es")
CODES = sorted({cls.code for cls in BY_REASON.values() if cls.code})
STATUSES = sorted({cls.http_status for cls in BY_REASON.values()} - {401, 405, 499})


def answered(error: ServiceError) -> ours.APIStatusError:
    """What our client raises for an error of the gateway."""
    response = httpx.Response(
        error.http_status, json=dict(envelope(error)), headers=headers_of(error)
    )
    return ours.error_of(response, error.retry_after)


def from_openai(error: ServiceError) -> openai.APIStatusError:
    """What OpenAI's client raises for it."""
    request = httpx2.Request("POST", "http://gateway/v1/chat/completions")
    response = httpx2.Response(error.http_status, headers=headers_of(error), request=request)
    return openai.APIStatusError("failed", response=response, body=envelope(error)["error"])


def over_http(error: ServiceError) -> httpx.HTTPStatusError:
    """What a bare request raises for it."""
    request = httpx.Request("GET", "http://gateway/v1/jobs")
    response = httpx.Response(
        error.http_status, json=dict(envelope(error)), headers=headers_of(error), request=request
    )
    return httpx.HTTPStatusError("failed", request=request, response=response)


CLIENTS = [answered, from_openai, over_http]


@pytest.mark.parametrize("code", CODES)
def test_every_code_of_the_gateway_has_a_sentence(code: str) -> None:
    if code != "invalid_api_key":
        assert set(sentences()[f"errors.code_{code}"]) == set(LANGUAGES)


@pytest.mark.parametrize("status", STATUSES)
def test_every_status_of_the_gateway_has_a_sentence(status: int) -> None:
    assert set(sentences()[f"errors.status_{status}"]) == set(LANGUAGES)


@pytest.mark.parametrize("client", CLIENTS)
def test_in_english_the_gateway_speaks_and_in_spanish_we_do(client: Any) -> None:
    error = client(InvalidRequest("temperature must be at most 2.", param="temperature"))
    assert sentence_of(error, EN) == "temperature must be at most 2."
    assert sentence_of(error, ES) == ES("errors.status_400")


@pytest.mark.parametrize("client", CLIENTS)
def test_it_says_when_to_try_again(client: Any) -> None:
    full = client(Overloaded("The queue is full.", retry_after=4.2))
    assert sentence_of(full, EN) == "The queue is full. Try again in 5 s."
    assert sentence_of(full, ES) == "La cola está llena. Inténtalo de nuevo dentro de 5 s."
    later = client(Overloaded("The queue is full.", retry_after=601.0))
    assert sentence_of(later, ES).endswith("dentro de 11 min.")


def test_it_says_how_many_are_in_front_and_how_far_a_load_is() -> None:
    full = Overloaded("Full.", facts={"queue_position": 7})
    assert sentence_of(answered(full), EN) == "Full. Requests in front: 7."
    loading = ModelLoading("Loading.", facts={"progress": 0.42})
    assert sentence_of(answered(loading), ES).endswith("Ya se cargó el 42 %.")


@pytest.mark.parametrize("client", CLIENTS)
def test_limits_are_kept_in_every_language(client: Any) -> None:
    large = client(ContentTooLarge("The upload is larger than the limit of 104,857,600 bytes."))
    assert sentence_of(large, ES).endswith("El límite es de 100 MB.")
    long = client(ContentTooLarge("The audio is longer than the 7200 seconds allowed; send parts."))
    assert sentence_of(long, ES).endswith("El límite es de 120 min.")


@pytest.mark.parametrize("language", LANGUAGES)
def test_a_gateway_that_is_away_or_slow_is_told_apart(language: str) -> None:
    t = Texts(language)
    request = httpx2.Request("GET", "http://gateway")
    for away in (
        ours.APIConnectionError("x"),
        openai.APIConnectionError(request=request),
        httpx.ConnectError("x"),
        httpx.ConnectTimeout("x"),
        httpx2.ReadError("x"),
    ):
        assert sentence_of(away, t) == t("errors.gateway_away")
        assert kind_of(away) == "gateway_away"
    for slow in (
        ours.APITimeoutError("x"),
        openai.APITimeoutError(request=request),
        httpx.ReadTimeout("x"),
    ):
        assert sentence_of(slow, t) == t("errors.timed_out")


@pytest.mark.parametrize("language", LANGUAGES)
def test_an_answer_that_fails_in_its_midst_is_told(language: str) -> None:
    t = Texts(language)
    broken = ours.OrfeonError("The answer broke off; ask again.")
    assert sentence_of(broken, t) == (
        broken.message if language == "en" else t("errors.broken_off")
    )
    request = httpx2.Request("POST", "http://gateway")
    body = {"message": "Too long.", "code": "context_length_exceeded"}
    streamed = openai.APIError("x", request=request, body=body)
    assert sentence_of(streamed, t) == (
        "Too long." if language == "en" else t("errors.code_context_length_exceeded")
    )


@pytest.mark.parametrize("language", LANGUAGES)
def test_whoever_may_not_come_in_any_more_is_told_to_sign_in(language: str) -> None:
    t = Texts(language)
    revoked = answered(BY_REASON["INVALID_API_KEY"]("This key is revoked."))
    for error in (SignedOut(), revoked):
        assert signs_out(error)
        assert sentence_of(error, t) == t("errors.signed_out")
        assert kind_of(error) == "signed_out"
    assert not signs_out(ProviderFailed())
    assert sentence_of(ProviderFailed(), t) == t("errors.provider_away")


@pytest.mark.parametrize("language", LANGUAGES)
def test_faults_of_ours_tell_nothing_of_themselves(language: str) -> None:
    t = Texts(language)
    assert sentence_of(KeyError("a secret"), t) == t("errors.unexpected")
    assert kind_of(KeyError("a secret")) == "unexpected"


def test_an_answer_of_something_else_than_the_gateway_is_told_by_its_status() -> None:
    proxy = ours.error_of(httpx.Response(502, text="<html>Bad Gateway</html>"))
    assert sentence_of(proxy, ES) == ES("errors.status_502")
    assert kind_of(proxy) == "gateway_failed"
    teapot = ours.error_of(httpx.Response(418, json=["x"]))
    assert sentence_of(teapot, ES) == ES("errors.refused")
    assert kind_of(teapot) == "refused"
    bare = httpx.Response(418, text="", request=httpx.Request("GET", "http://gateway"))
    with pytest.raises(httpx.HTTPStatusError) as raised:
        bare.raise_for_status()
    assert sentence_of(raised.value, EN) == EN("errors.refused")
