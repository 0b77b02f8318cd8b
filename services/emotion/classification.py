"""The work on one recording, turn by turn: what is heard in it, and who speaks."""

from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import asynccontextmanager, closing
from functools import partial
from typing import BinaryIO, cast

from services.emotion.diarization import SPEAKER, AudioModel, Floats, SpeakerModel, Voices
from services.emotion.engine import EmotionModel
from services.emotion.hearing import Hearing
from services.emotion.listening import Listener, Window
from services.emotion.recording import STRETCH_SECONDS, Recording
from services.emotion.speakers import Conversation
from services.emotion.timeline import Segment
from services.emotion.turns import Turns
from services.emotion.voice_activity import Ear
from services.runtime import worker
from services.runtime.audio import AudioLimits, seconds_of
from services.runtime.context import RequestContext
from services.runtime.host import ModelHost
from services.runtime.worker import Cancellation

SPEAKER_TASK = "speaker-embedding"


class Embedding:
    """Has the voices of one request embedded, in turns of their own."""

    def __init__(
        self, host: ModelHost[AudioModel], context: RequestContext, model: str = ""
    ) -> None:
        """Raises `ModelNotFound`, and `InvalidRequest` for a model of another kind."""
        self._host = host
        self._context = context
        self.model = host.ready(model, SPEAKER_TASK).name
        """Id of the speaker encoder."""

    async def embed(self, windows: list[Window], voices: Voices) -> None:
        """Takes a turn to embed windows. Raises what `ModelHost.lease` raises."""
        if not windows:
            return
        seconds = windows[-1].end - windows[0].start
        async with self._turn(seconds) as model:
            voices.add(_times(windows), await worker.run(partial(_embedded, model, windows)))

    async def listen(
        self, file: BinaryIO, limits: AudioLimits, ear: Ear
    ) -> tuple[Listener, Voices]:
        """Embeds all that is said in a recording, in a turn for each stretch.

        Raises what `blocks` and `ModelHost.lease` raise.
        """
        listener, voices = Listener(ear, SPEAKER), Voices()
        cost = min(seconds_of(file), STRETCH_SECONDS)
        with closing(Recording(file, limits)) as recording:

            def step(model: SpeakerModel, cancelled: Cancellation) -> None:
                heard = listener.feed(recording.stretch(cancelled))
                if recording.ended:
                    heard += listener.finish()
                windows = [event for event in heard if isinstance(event, Window)]
                if windows:
                    voices.add(_times(windows), _embedded(model, windows, cancelled))

            while not recording.ended:
                async with self._turn(cost) as model:
                    await worker.run(partial(step, model))
        return listener, voices

    @asynccontextmanager
    async def _turn(self, seconds: float) -> AsyncIterator[SpeakerModel]:
        async with self._host.lease(
            self._context, self.model, task=SPEAKER_TASK, cost=seconds
        ) as leased:
            # The task decides what kind of model is leased; types cannot say so.
            yield cast(SpeakerModel, leased.model)


def _times(windows: list[Window]) -> list[tuple[float, float]]:
    return [(window.start, window.end) for window in windows]


def _embedded(model: SpeakerModel, windows: list[Window], cancelled: Cancellation) -> Floats:
    return model.embed([window.samples for window in windows], cancelled)


class Classification:
    """Hears one recording, and its speakers where there is an `embedding`."""

    def __init__(self, turns: Turns, hearing: Hearing, embedding: Embedding | None) -> None:
        self.turns = turns
        self.hearing = hearing
        self._embedding = embedding
        self._voices = Voices()

    async def segments(self, file: BinaryIO, limits: AudioLimits) -> AsyncGenerator[Segment]:
        """What the recording tells, as soon as it is known, in a turn for each stretch.

        Raises what `blocks` and `ModelHost.lease` raise.
        """
        left = seconds_of(file)
        with closing(Recording(file, limits)) as recording:
            while not recording.ended:
                before = recording.seconds
                async with self.turns.next(min(max(left, 1.0), STRETCH_SECONDS)) as given:
                    told = await worker.run(partial(self._stretch, recording, given.model))
                    given.seconds = recording.seconds - before
                left -= given.seconds
                if self._embedding is not None:
                    voices, self.hearing.voices = self.hearing.voices, []
                    await self._embedding.embed(voices, self._voices)
                for segment in told:
                    yield segment

    async def conversation(self) -> Conversation | None:
        """Who spoke when and what is heard in each voice, if that is wanted; at the end."""
        if self._embedding is None:
            return None
        speech = self.hearing.listener.speech
        turns = await worker.run(lambda _cancelled: self._voices.turns(speech))
        conversation = Conversation(turns)
        conversation.tell(self.hearing.teller.scored, self.turns.manifest.labels)
        return conversation

    def _stretch(
        self, recording: Recording, model: EmotionModel, cancelled: Cancellation
    ) -> list[Segment]:
        self.hearing.watch.begin()
        samples = recording.stretch(cancelled)
        return self.hearing.hear(samples, model, cancelled, last=recording.ended)
