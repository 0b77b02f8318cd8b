"""Triton's side of Whisper: tensors <-> values. The engine is the service's own."""

from collections.abc import Iterator
from functools import partial

from services.runtime.triton.interface import Tensors
from services.runtime.triton.python_model import StreamingModel
from services.runtime.worker import Cancellation
from services.speech.__main__ import SPEECH
from services.speech.engine import Transcriber
from services.speech.settings import SpeechSettings
from services.speech.triton_wire import part_tensors, transcription_of


class TritonPythonModel(StreamingModel[Transcriber]):
    """A listener; see `StreamingModel`."""

    capability = SPEECH
    # One request at a time, which may have all threads.
    settings = partial(SpeechSettings, slots=1)

    def answers(self, tensors: Tensors, cancelled: Cancellation) -> Iterator[Tensors]:
        """`Started`, then the segments of a recording."""
        request = transcription_of(tensors, self.manifest)
        for part in self.model.transcribe(request, cancelled):
            yield part_tensors(part)
