"""One request and its response, as the gateway's layers know it."""

import math
import time
from collections.abc import Callable, MutableMapping
from dataclasses import dataclass, field
from typing import Any

from gateway.keystore import ApiKey

SCOPE_KEY = "orfeon.exchange"


@dataclass(slots=True)
class Exchange:
    """What is known of one request, from its first byte on; filled in layer by layer.

    `started` is in seconds of `time.monotonic()`. Whatever response is sent, an error's too,
    carries `headers`.
    """

    request_id: str
    started: float = field(default_factory=time.monotonic)
    headers: dict[str, str] = field(default_factory=dict)
    key: ApiKey | None = None
    wanted_priority: int | None = None
    priority: int | None = None
    error: str = ""
    """The code of the error that was answered; empty while there is none."""
    output: float | None = None
    """Seconds from the first byte to the first output of a streamed answer: token, line or sound;
    None while there is none."""
    tokens: int = 0
    """Tokens that it has taken."""
    audio_seconds: float = 0.0
    """Seconds of recordings that were listened to for it, or of music that was made."""
    ended: list[Callable[[], None]] = field(default_factory=list)
    """What is to be done once the last of the response has been sent, or its client has left."""

    def seconds(self) -> float:
        """Time since the request began."""
        return time.monotonic() - self.started

    def listened(self, seconds: float) -> None:
        """A recording of so many seconds has been listened to."""
        # What no recording has would spoil the sums that it goes into.
        if 0 < seconds < math.inf:
            self.audio_seconds += seconds

    def began_output(self) -> None:
        """A piece of output has come; the first one counts."""
        if self.output is None:
            self.output = self.seconds()


def exchange_of(scope: MutableMapping[str, Any]) -> Exchange:
    """The exchange of an ASGI scope."""
    exchange: Exchange = scope[SCOPE_KEY]
    return exchange
