"""The queue, as those who wait in it see it."""

from typing import Literal, NotRequired

from typing_extensions import TypedDict


class QueueEntry(TypedDict):
    """One request. `key_id` is shown to admin keys alone.

    `seconds` have passed since it began to wait or to run; `position` counts the requests that go
    before it as things are; `estimated_wait_seconds` is null where nobody can tell.
    """

    request_id: str
    model: str
    capability: str
    priority: int
    state: Literal["queued", "running"]
    seconds: float
    position: int
    estimated_wait_seconds: float | None
    key_id: NotRequired[str]


class Queue(TypedDict):
    """The requests at every service: by service, those that run before those that wait."""

    object: Literal["list"]
    data: list[QueueEntry]
