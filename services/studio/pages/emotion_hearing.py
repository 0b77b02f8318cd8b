"""A recording that is listened to: asked of the gateway, and shown as far as it is known."""

import asyncio
import threading
from dataclasses import dataclass, field
from pathlib import Path

from orfeon import AsyncOrfeon
from orfeon.errors import OrfeonError
from orfeon.voices import Classification, TimelineSegment, Turn
from services.studio import waveform
from services.studio.markup import block
from services.studio.pages import emotion_answer
from services.studio.pages.emotion_timeline import View, clock, drawn, merged, table
from services.studio.texts import Texts
from services.studio.waveform import Waveform

#: Recordings longer than this get a timeline without being asked, seconds.
LONG = 20.0
#: Seconds between two pictures of what is known; of long timelines they are large.
_SOON, _LATER, _MANY = 0.4, 2.0, 300
_LOOK = 0.05


@dataclass(slots=True)
class Hearing:
    """What is known of a recording so far.

    `speakers_missing` says that the speakers could not be told apart. `whole` says that a timeline
    is made; None until that is known.
    """

    waveform: Waveform = field(default_factory=waveform.drawable)
    whole: bool | None = None
    segments: list[TimelineSegment] = field(default_factory=list)
    turns: tuple[Turn, ...] = ()
    speakers_missing: bool = False
    answer: Classification | None = None

    def pause(self) -> float:
        """Seconds until what is known by then is worth showing."""
        return _SOON if len(self.segments) < _MANY else _LATER

    async def listen(self, orfeon: AsyncOrfeon, file: Path, whole: bool) -> None:
        """Has a recording heard; `whole` wants a timeline also of a short one.

        Raises what the client raises.
        """
        leaving = threading.Event()
        reading = asyncio.create_task(
            asyncio.to_thread(waveform.follow, file, self.waveform, leaving.is_set)
        )
        tasks = [reading]
        try:
            while not whole and not reading.done() and self.waveform.seconds <= LONG:
                await asyncio.wait({reading}, timeout=_LOOK)
            self.whole = whole or self.waveform.seconds > LONG
            if not self.whole:
                self.answer = await orfeon.classify(file)
                return
            tasks.append(asyncio.create_task(self._tell_apart(orfeon, file)))
            async for event in orfeon.timeline(file):
                if isinstance(event, Classification):
                    self.answer = event
                else:
                    self.segments.append(event)
            await asyncio.gather(*tasks)
        finally:
            leaving.set()
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)

    async def _tell_apart(self, orfeon: AsyncOrfeon, file: Path) -> None:
        try:
            self.turns = (await orfeon.diarize(file)).turns
        except OrfeonError:
            # What they feel is told without.
            self.speakers_missing = True


def shown(hearing: Hearing, ended: bool, t: Texts) -> str:
    """What is known, as HTML. `ended` says that no more will be."""
    parts = []
    if hearing.answer is not None:
        parts.append(emotion_answer.shown(hearing.answer, t))
    elif ended:
        parts.append(f'<p role="status">{t("emotion.stopped")}</p>')
    else:
        parts.append(f'<p role="status" class="emotion-busy">{_progress(hearing, t)}</p>')
    if ended:
        # The browser has what it sent, and plays that.
        parts.append(f'<div class="emotion-player" data-player="{t("emotion.player")}"></div>')
    if hearing.whole:
        parts.append(_timeline(hearing, ended, t))
    return block("".join(parts))


def _progress(hearing: Hearing, t: Texts) -> str:
    if not hearing.segments:
        return t("emotion.listening")
    return t("emotion.heard_until", at=clock(hearing.segments[-1].end))


def _timeline(hearing: Hearing, ended: bool, t: Texts) -> str:
    stretches = merged(hearing.segments)
    heard = hearing.segments[-1].end if hearing.segments else 0.0
    end = hearing.answer.duration if hearing.answer else max(hearing.waveform.seconds, heard)
    # Until all is known it fits into the page: one that scrolls would jump whenever it grows.
    view = View(0.0, end, stretches, hearing.turns, hearing.waveform, fits=not ended)
    missing = f"<p>{t('emotion.no_speakers')}</p>" if hearing.speakers_missing else ""
    rows = table(stretches, hearing.turns, t) if ended and stretches else ""
    return f"<h2>{t('emotion.timeline')}</h2>{drawn(view, t)}{missing}{rows}"
