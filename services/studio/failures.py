"""What went wrong, as a sentence for people."""

import httpx
import httpx2
from openai import APIConnectionError as OpenAIConnectionError
from openai import APIStatusError as OpenAIStatusError

from orfeon.errors import APIConnectionError, APIStatusError
from services.studio.sessions import ProviderFailed, SignedOut
from services.studio.texts import Texts, sentences

_UNAUTHORIZED = 401
_SERVER_ERROR = 500


def signs_out(error: Exception) -> bool:
    """Whether the gateway no longer lets this person in."""
    return isinstance(error, SignedOut) or _status(error) == _UNAUTHORIZED


def sentence_of(error: Exception, t: Texts) -> str:
    """The sentence: ours where we have one for the error's code, otherwise the gateway's."""
    if signs_out(error):
        return t("errors.signed_out")
    if isinstance(error, ProviderFailed):
        return t("errors.provider_away")
    # The last is OpenAI's client's while an answer streams.
    away = (APIConnectionError, OpenAIConnectionError, httpx.TransportError, httpx2.TransportError)
    if isinstance(error, away):
        return t("errors.gateway_away")
    if (status := _status(error)) is None:
        return t("errors.unexpected")
    code = f"errors.code_{getattr(error, 'code', None)}"
    if code in sentences():
        return t(code)
    if t.language == "en" and (message := _message(error)):
        return message
    status_key = f"errors.status_{status}"
    return t(status_key if status_key in sentences() else "errors.refused")


def kind_of(error: Exception) -> str:
    """What was wrong, of a few words that can be counted."""
    if signs_out(error):
        return "signed_out"
    if isinstance(error, APIConnectionError | OpenAIConnectionError | httpx.TransportError):
        return "gateway_away"
    if (status := _status(error)) is None:
        return "unexpected"
    return "gateway_failed" if status >= _SERVER_ERROR else "refused"


def _status(error: Exception) -> int | None:
    if isinstance(error, APIStatusError):
        return error.status
    if isinstance(error, OpenAIStatusError):
        return error.status_code
    if isinstance(error, httpx.HTTPStatusError):
        return error.response.status_code
    return None


def _message(error: Exception) -> str:
    if isinstance(error, OpenAIStatusError):
        body = error.body if isinstance(error.body, dict) else {}
        return str(body.get("message") or "")
    return str(getattr(error, "message", ""))
