"""What is offered outside: the methods of the contracts, and what each asks of who calls it."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from google.protobuf.descriptor import MethodDescriptor, ServiceDescriptor
from google.protobuf.message import Message
from google.protobuf.message_factory import GetMessageClass

from gateway.settings import Capability
from orfeon.api.chat.v1 import chat_pb2
from orfeon.api.emotion.v1 import emotion_pb2
from orfeon.api.images.v1 import images_pb2
from orfeon.api.lyrics.v1 import lyrics_pb2
from orfeon.api.melody.v1 import melody_pb2
from orfeon.api.models.v1 import models_pb2
from orfeon.api.queue.v1 import queue_pb2
from orfeon.api.song.v1 import song_pb2
from orfeon.api.speech.v1 import speech_pb2
from orfeon.api.training.v1 import training_pb2
from services.runtime.context import BACKGROUND

#: The contract of each capability. Its methods need the scope of that name.
_CONTRACTS: Mapping[Capability, ServiceDescriptor] = {
    "chat": chat_pb2.DESCRIPTOR.services_by_name["ChatService"],
    "lyrics": lyrics_pb2.DESCRIPTOR.services_by_name["LyricsService"],
    "speech": speech_pb2.DESCRIPTOR.services_by_name["SpeechService"],
    "emotion": emotion_pb2.DESCRIPTOR.services_by_name["EmotionService"],
    "melody": melody_pb2.DESCRIPTOR.services_by_name["MelodyService"],
    "song": song_pb2.DESCRIPTOR.services_by_name["SongService"],
    "images": images_pb2.DESCRIPTOR.services_by_name["ImagesService"],
    "training": training_pb2.DESCRIPTOR.services_by_name["TrainingService"],
}
#: Contracts that every service speaks and that the gateway answers itself, for all of them at once.
_MODELS = models_pb2.DESCRIPTOR.services_by_name["ModelService"]
_QUEUE = queue_pb2.DESCRIPTOR.services_by_name["QueueService"]
_SCOPES: Mapping[str, str | None] = {
    "ListModels": "models",
    "LoadModel": "admin",
    "UnloadModel": "admin",
    "ListQueue": None,
}

#: What makes nothing does not count as a request, as it does not on HTTP.
_FREE = ("Get", "List", "Watch", "Read", "Cancel", "Delete", "Pause", "Resume", "Load", "Unload")
#: What is in the background unless its caller says otherwise.
_IN_BACKGROUND = {"CreateSong", "RepeatSong", "CreateJob"}
#: What lasts as long as it has to.
_LASTING = {"Follow", "UploadFile", "WatchJob"}
#: Whose only message holds files, as forms do on HTTP.
_FORMS = {"Edit", "Vary"}
#: Whose messages go on as they come: what is heard while somebody speaks, and what is too large to
#: be held.
_LIVE = {"Follow", "UploadFile"}


@dataclass(frozen=True, slots=True)
class Method:
    """One method, and what the gateway makes of a call of it.

    `capability` is empty where the gateway answers itself; `scope` is None where any key will do;
    `priority` is the level of a call that names none.
    """

    path: str
    capability: str
    scope: str | None
    request: type[Message]
    response: type[Message]
    uploads: bool
    """Whether the client sends several messages."""
    streams: bool
    """Whether it is sent several."""
    form: bool
    live: bool
    lasting: bool
    metered: bool
    priority: int | None


def _method(one: MethodDescriptor, capability: str, scope: str | None) -> Method:
    name = one.name
    return Method(
        path=f"/{one.containing_service.full_name}/{name}",
        capability=capability,
        scope=scope,
        request=GetMessageClass(one.input_type),
        response=GetMessageClass(one.output_type),
        uploads=one.client_streaming,
        streams=one.server_streaming,
        form=name in _FORMS,
        live=name in _LIVE,
        lasting=name in _LASTING,
        metered=not name.startswith(_FREE),
        priority=BACKGROUND if name in _IN_BACKGROUND else None,
    )


def _all() -> Iterator[Method]:
    for capability, contract in _CONTRACTS.items():
        for one in contract.methods:
            yield _method(one, capability, capability)
    for contract in (_MODELS, _QUEUE):
        for one in contract.methods:
            yield _method(one, "", _SCOPES[one.name])


#: Every method by its path, `/package.Service/Method`.
METHODS: Mapping[str, Method] = {method.path: method for method in _all()}

#: Full name of each contract that a capability speaks.
CONTRACTS: Mapping[str, str] = {name: one.full_name for name, one in _CONTRACTS.items()}
#: Full names of the contracts that the gateway answers itself.
OWN = (_MODELS.full_name, _QUEUE.full_name)
