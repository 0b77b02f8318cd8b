"""Triton's side of Bark: tensors <-> values. The engine is the service's own."""

from collections.abc import Iterator
from functools import partial

from services.runtime.triton.interface import Tensors
from services.runtime.triton.python_model import StreamingModel
from services.runtime.worker import Cancellation
from services.speech.__main__ import SPEECH
from services.speech.engine import Synthesizer
from services.speech.settings import SpeechSettings
from services.speech.triton_wire import sound_tensors, speech_of


class TritonPythonModel(StreamingModel[Synthesizer]):
    """A voice; see `StreamingModel`."""

    capability = SPEECH
    # One request at a time, which may have all threads.
    settings = partial(SpeechSettings, slots=1)

    def answers(self, tensors: Tensors, cancelled: Cancellation) -> Iterator[Tensors]:
        """The sound of a text, phrase by phrase."""
        for samples in self.model.synthesize(speech_of(tensors, self.manifest), cancelled):
            if samples.size:
                yield sound_tensors(samples)
