"""A recording on its way to the gateway, and what comes back of it while it is understood."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from openai import AsyncOpenAI, AsyncStream

from services.studio.subtitles import Said

_ROUTES = {False: "/audio/transcriptions", True: "/audio/translations"}


@dataclass(frozen=True, slots=True)
class Wish:
    """How to write down: what `language` is spoken, if that is known, or into English.

    `feelings` asks what the voice tells as well.
    """

    language: str = ""
    translate: bool = False
    feelings: bool = True

    def fields(self) -> dict[str, Any]:
        """The fields of the request. Whoever translates finds out about the language alone."""
        fields: dict[str, Any] = {"response_format": "verbose_json", "stream": True}
        if self.language and not self.translate:
            fields["language"] = self.language
        if self.feelings:
            fields["include"] = ["emotion"]
        return fields


@dataclass(slots=True)
class Transcript:
    """What has been understood so far; `language` and `duration` (seconds) are known at the end."""

    segments: list[Said] = field(default_factory=list)
    language: str = ""
    duration: float = 0.0
    done: bool = False

    def take(self, event: Mapping[str, Any]) -> None:
        """Takes in an event of the stream."""
        match event.get("type"):
            case "transcript.text.segment":
                self.segments.append(_said(event))
            case "transcript.text.done":
                self.segments = [_said(segment) for segment in event["segments"]]
                self.language = event["language"]
                self.duration = event["duration"]
                self.done = True


async def follow(client: AsyncOpenAI, recording: Path, wish: Wish, transcript: Transcript) -> None:
    """Has a recording written down, into `transcript`. Raises what OpenAI's client raises."""
    with recording.open("rb") as file:
        # Streamed translations are the gateway's own, so the client has no method for them.
        stream = await client.post(
            _ROUTES[wish.translate],
            body=wish.fields(),
            # What people call their recordings is nobody's business.
            files={"file": (f"recording{recording.suffix}", file)},
            options={"headers": {"Content-Type": "multipart/form-data"}},
            cast_to=object,
            stream=True,
            stream_cls=AsyncStream[object],
        )
        async with stream:
            async for event in stream:
                if isinstance(event, Mapping):
                    transcript.take(event)


def _said(segment: Mapping[str, Any]) -> Said:
    heard = segment.get("emotion") or {}
    return Said(
        start=segment["start"],
        end=segment["end"],
        text=segment["text"],
        feeling=heard.get("label"),
        surety=heard.get("confidence") or 0.0,
    )
