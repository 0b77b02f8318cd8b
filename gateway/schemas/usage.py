"""What keys have used, as they are told."""

from typing import Literal

from typing_extensions import TypedDict


class UsageRow(TypedDict):
    """What a key used of a capability in a day of UTC, written `2030-01-31`.

    `audio_seconds` are of recordings that were listened to and of music that was made.
    """

    object: Literal["usage"]
    day: str
    key_id: str
    capability: str
    requests: int
    tokens: int
    audio_seconds: float


class UsageList(TypedDict):
    """The newest day first; `has_more` where there are more rows than were asked for."""

    object: Literal["list"]
    data: list[UsageRow]
    has_more: bool
