"""What went wrong, as a sentence for people."""

import math
import re
from typing import Any, Literal, get_args

import httpx
import httpx2
from openai import APIConnectionError as OpenAIConnectionError
from openai import APIError as OpenAIError
from openai import APIStatusError as OpenAIStatusError
from openai import APITimeoutError as OpenAITimeoutError

from orfeon.calls import retry_after
from orfeon.errors import APIConnectionError, APIStatusError, APITimeoutError, OrfeonError
from services.studio.sessions import ProviderFailed, SignedOut
from services.studio.texts import LANGUAGES, Texts, sentences

#: What was wrong, of a few words that can be counted.
Kind = Literal["signed_out", "gateway_away", "gateway_failed", "refused", "unexpected"]
KINDS: tuple[Kind, ...] = get_args(Kind)

_UNAUTHORIZED = 401
_SERVER_ERROR = 500
#: Seconds from which on they are told in minutes.
_LONG = 120

_SLOW = (
    APITimeoutError,
    OpenAITimeoutError,
    httpx.ReadTimeout,
    httpx.WriteTimeout,
    httpx2.ReadTimeout,
    httpx2.WriteTimeout,
)
# The last is what OpenAI's client raises while an answer streams.
_AWAY = (APIConnectionError, OpenAIConnectionError, httpx.TransportError, httpx2.TransportError)
# What comes in the midst of an answer has no status.
_IN_ANSWERS = (OrfeonError, OpenAIError)

# The gateway's limits are numbers in its sentences alone.
_BYTES = re.compile(r"the limit of ([\d,]+) bytes")
_SECONDS = re.compile(r"the (\d+(?:\.\d+)?) seconds allowed")


def signs_out(error: Exception) -> bool:
    """Whether the gateway no longer lets this person in."""
    return isinstance(error, SignedOut) or _status(error) == _UNAUTHORIZED


def sentence_of(error: Exception, t: Texts) -> str:
    """The sentence, and when to try again where the gateway says so.

    In English it is the gateway's own, which knows what was wrong; in other languages ours for the
    error's code, or else for its status.
    """
    if signs_out(error):
        return t("errors.signed_out")
    if isinstance(error, ProviderFailed):
        return t("errors.provider_away")
    if isinstance(error, _SLOW):
        return t("errors.timed_out")
    if isinstance(error, _AWAY):
        return t("errors.gateway_away")
    status = _status(error)
    if status is None and not isinstance(error, _IN_ANSWERS):
        return t("errors.unexpected")
    said = _message(error)
    if t.language == LANGUAGES[0] and said:
        sentences_of_it = [said]
    else:
        keys = (f"errors.code_{_code(error)}", f"errors.status_{status}")
        other = "errors.broken_off" if status is None else "errors.refused"
        known = next((key for key in keys if key in sentences()), other)
        sentences_of_it = [t(known), *_limit(said, t)]
    return " ".join([*sentences_of_it, *_facts(error, t)])


def kind_of(error: Exception) -> Kind:
    """What was wrong, as it is counted."""
    if signs_out(error):
        return "signed_out"
    if isinstance(error, _AWAY):
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


def _code(error: Exception) -> str | None:
    if isinstance(error, httpx.HTTPStatusError):
        return str(_body(error.response).get("code"))
    return getattr(error, "code", None)


def _message(error: Exception) -> str:
    if isinstance(error, OpenAIError):
        body = error.body if isinstance(error.body, dict) else {}
        return str(body.get("message") or "")
    if isinstance(error, httpx.HTTPStatusError):
        return str(_body(error.response).get("message") or "")
    return str(getattr(error, "message", ""))


def _body(response: httpx.Response) -> dict[str, Any]:
    """The error in an answer's envelope; empty where there is none that has been read."""
    try:
        body = response.json()["error"]
    except (ValueError, TypeError, KeyError, httpx.StreamError):
        return {}
    return body if isinstance(body, dict) else {}


def _limit(said: str, t: Texts) -> list[str]:
    """The limit that the gateway's sentence names, if it names one."""
    if found := _BYTES.search(said):
        megabytes = int(found[1].replace(",", "")) / 2**20
        return [t("errors.limit_megabytes", megabytes=f"{megabytes:.4g}")]
    if found := _SECONDS.search(said):
        return [t("errors.limit_minutes", minutes=f"{float(found[1]) / 60:.4g}")]
    return []


def _facts(error: Exception, t: Texts) -> list[str]:
    """What the gateway tells in numbers: how far a load is, who is before, when to come back."""
    told = []
    if (progress := getattr(error, "progress", None)) is not None:
        told.append(t("errors.loaded_part", percent=round(100 * progress)))
    if position := getattr(error, "queue_position", None):
        told.append(t("errors.in_front", count=position))
    seconds = _retry_after(error)
    if seconds is not None and seconds > _LONG:
        told.append(t("errors.retry_minutes", minutes=math.ceil(seconds / 60)))
    elif seconds is not None:
        told.append(t("errors.retry_seconds", seconds=max(1, math.ceil(seconds))))
    return told


def _retry_after(error: Exception) -> float | None:
    if isinstance(error, APIStatusError):
        return error.retry_after
    if isinstance(error, OpenAIStatusError | httpx.HTTPStatusError):
        return retry_after(httpx.Response(_SERVER_ERROR, headers=dict(error.response.headers)))
    return None
