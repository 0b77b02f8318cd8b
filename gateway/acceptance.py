"""`python -m gateway.acceptance`: whether an installed release does its work. `helm test` runs it.

It waits until everything is ready, makes a key for a quarter of an hour, has a recording classified
and a chat answered through the gateway, and says so in sentences. It exits with 1 where one fails.
"""

import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext

import httpx
import sqlalchemy as sa
from pydantic import Field, FilePath, SecretStr
from pydantic_settings import BaseSettings, SettingsConfigDict

from gateway.database import DatabaseUnusable
from gateway.keystore import KeyStore
from gateway.settings import GatewaySettings
from orfeon import calls, voicecalls
from orfeon.calls import Call
from orfeon.errors import OrfeonError
from orfeon.transport import Transport
from services.runtime.environment import settings_of

#: Seconds that an answer may take, and that the key lives where it could not be revoked.
_ANSWER_SECONDS, _KEY_SECONDS = 120, 900
_LOOK_SECONDS = 2.0


class AcceptanceSettings(BaseSettings):
    """What is asked, from variables named `ORFEON_ACCEPTANCE_<FIELD>`."""

    model_config = SettingsConfigDict(
        env_prefix="ORFEON_ACCEPTANCE_", extra="ignore", frozen=True, env_ignore_empty=True
    )

    url: str
    """The gateway, such as `http://orfeon-gateway`."""
    clip: FilePath | None = None
    """A recording of a voice to classify; without, none is."""
    chat: bool = True
    """Whether a chat has to be answered."""
    key: SecretStr = SecretStr("")
    """A key of the gateway; empty makes one in the database of the gateway's settings."""
    makes_key: bool = True
    """Whether that database can be reached from here. Without, and without a key, it is only seen
    whether everything is ready."""
    wait_seconds: float = Field(default=300, ge=0)
    """How long everything may take to be ready."""


class NotAccepted(Exception):
    """Something does not work; says what, and where to look."""


def main() -> None:
    """Asks, and says how it went."""
    settings = settings_of(AcceptanceSettings)
    try:
        accept(settings)
    except (NotAccepted, OrfeonError, DatabaseUnusable) as error:
        sys.exit(f"Failed: {error}")
    except sa.exc.SQLAlchemyError as error:
        sys.exit(f"Failed: no key can be kept in the gateway's database ({type(error).__name__}).")


def accept(settings: AcceptanceSettings) -> None:
    """Raises `NotAccepted`, `OrfeonError` or what the database raises where something fails."""
    _say(f"Ready: {', '.join(_ready(settings))}.")
    gateway = settings_of(GatewaySettings)
    given = settings.key.get_secret_value()
    if gateway.require_keys and not given and not settings.makes_key:
        _say(
            "Nothing was asked: keys are kept in the gateway's pod alone. Name a secret with one "
            "in helmTest.secretName to have a voice classified and a chat answered."
        )
        return
    made = gateway.require_keys and not given
    with _made_key(gateway) if made else nullcontext(given) as key:
        options = calls.options(settings.url, key, _ANSWER_SECONDS)
        with httpx.Client(**options) as client:
            _ask(Transport(client, retries=5), settings)
    _say("Accepted.")


def _ask(gateway: Transport, settings: AcceptanceSettings) -> None:
    if settings.clip is not None:
        heard = gateway.send(voicecalls.classify(settings.clip, {}))
        if not heard.labels:
            raise NotAccepted(f"{heard.model} heard nobody speak in the recording.")
        _say(f"Voice: {heard.model} classified {heard.duration:.1f} s of speech.")
    if settings.chat:
        _say(f"Chat: answered with {len(gateway.send(_question()))} characters.")


def _ready(settings: AcceptanceSettings) -> list[str]:
    """The capabilities, once all are ready. Raises `NotAccepted`."""
    end = time.monotonic() + settings.wait_seconds
    with httpx.Client(base_url=settings.url, timeout=10) as client:
        while True:
            try:
                answer = client.get("/readyz")
                states = dict(answer.json()["capabilities"])
                if answer.is_success:
                    return sorted(states)
                missing = (f"{name} is {state}" for name, state in states.items())
                found = ", ".join(one for one in missing if not one.endswith(" is serving"))
            except (httpx.HTTPError, ValueError, KeyError, TypeError) as error:
                found = f"{settings.url} does not answer as a gateway ({type(error).__name__})"
            if time.monotonic() >= end:
                raise NotAccepted(
                    f"After {settings.wait_seconds:g} s not all is ready: {found}. "
                    "See the logs and events of those pods."
                )
            time.sleep(_LOOK_SECONDS)


@contextmanager
def _made_key(gateway: GatewaySettings) -> Iterator[str]:
    """A key for as long as the block lasts."""
    store = KeyStore(gateway.database_url, migrate="check")
    made, secret = store.create(
        "helm test", scopes=["emotion", "chat"], expires=time.time() + _KEY_SECONDS
    )
    try:
        yield secret
    finally:
        store.revoke(made.id)
        store.close()


def _question() -> Call[str]:
    def read(response: httpx.Response) -> str:
        said = str(response.json()["choices"][0]["message"]["content"] or "")
        if not said.strip():
            raise NotAccepted("The chat was answered with nothing.")
        return said

    messages = [{"role": "user", "content": "Say hello."}]
    body = {"messages": messages, "max_completion_tokens": 16}
    return Call("POST", "chat/completions", read, json=body)


def _say(sentence: str) -> None:
    sys.stdout.write(sentence + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    main()
