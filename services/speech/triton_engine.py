"""Whisper and Bark, computed by a Triton server that mounts `triton-repo/`."""

from collections.abc import Iterator

from services.runtime.manifest import Manifest
from services.runtime.triton.interface import Interface
from services.runtime.triton.server import Call, TritonServer
from services.runtime.triton.triton_engine import RemoteModel, TritonEngine
from services.runtime.worker import Cancellation
from services.speech.engine import (
    Samples,
    Segment,
    SpeechModel,
    SpeechRequest,
    Started,
    TranscriptionRequest,
)
from services.speech.settings import SpeechSettings
from services.speech.triton_wire import (
    LISTENING,
    SPEAKING,
    part_of,
    sound_of,
    speech_tensors,
    transcription_tensors,
)


def triton(settings: SpeechSettings) -> TritonEngine[SpeechModel]:
    """The engine that these settings ask for."""
    return TritonEngine(settings, _interface, _model)


class RemoteSynthesizer(RemoteModel):
    """A voice that gives its sound part by part."""

    def synthesize(self, request: SpeechRequest, cancelled: Cancellation) -> Iterator[Samples]:
        """See `Synthesizer`. Raises also what befalls requests on the server."""
        call = Call(request.priority, request.timeout, cancelled)
        for answer in self.stream(speech_tensors(request), call):
            yield sound_of(answer)


class RemoteTranscriber(RemoteModel):
    """A listener that gives its transcript segment by segment."""

    def transcribe(
        self, request: TranscriptionRequest, cancelled: Cancellation
    ) -> Iterator[Started | Segment]:
        """See `Transcriber`. Raises also what befalls requests on the server."""
        call = Call(request.priority, request.timeout, cancelled)
        for answer in self.stream(transcription_tensors(request), call):
            yield part_of(answer)


def _interface(manifest: Manifest) -> Interface:
    return SPEAKING if "speech" in manifest.tasks else LISTENING


def _model(manifest: Manifest, server: TritonServer) -> SpeechModel:
    kind = RemoteSynthesizer if "speech" in manifest.tasks else RemoteTranscriber
    return kind(manifest, server)
