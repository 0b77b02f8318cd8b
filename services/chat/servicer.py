"""The chat contract: messages of the protocol <-> values of the engine."""

from collections.abc import AsyncIterator, Iterator

import grpc

from orfeon.api.chat.v1 import chat_pb2, chat_pb2_grpc
from services.chat.engine import ChatModel, ChatRequest, Completed, Message, Role, Sampling
from services.runtime import worker
from services.runtime.context import context_of
from services.runtime.errors import Cancelled, InvalidRequest
from services.runtime.host import ModelHost
from services.runtime.worker import Cancellation

_ROLES: dict[int, Role] = {
    chat_pb2.ROLE_SYSTEM: "system",
    chat_pb2.ROLE_USER: "user",
    chat_pb2.ROLE_ASSISTANT: "assistant",
}
_REASONS = {
    "stop": chat_pb2.FINISH_REASON_STOP,
    "length": chat_pb2.FINISH_REASON_LENGTH,
}
#: Field -> lowest and highest value.
_RANGES = {
    "max_tokens": (1, 1 << 20),
    "temperature": (0.0, 2.0),
    "top_p": (0.0, 1.0),
    "top_k": (0, 1 << 20),
    "min_p": (0.0, 1.0),
    "presence_penalty": (-2.0, 2.0),
    "frequency_penalty": (-2.0, 2.0),
    "repeat_penalty": (0.0, 10.0),
}
MAX_STOPS = 4
#: For estimates alone: of English text, and tokens of an answer without a limit.
CHARACTERS_PER_TOKEN = 4
TYPICAL_ANSWER = 256


class ChatServicer(chat_pb2_grpc.ChatServiceServicer):
    """Answers conversations with the models of a host."""

    def __init__(self, host: ModelHost[ChatModel]) -> None:
        self._host = host

    async def ChatCompletion(
        self,
        request: chat_pb2.ChatCompletionRequest,
        context: grpc.aio.ServicerContext[
            chat_pb2.ChatCompletionRequest, chat_pb2.ChatCompletionResponse
        ],
    ) -> chat_pb2.ChatCompletionResponse:
        """Gives the whole answer."""
        asked = request_of(request)
        async with self._host.lease(
            context_of(context), request.model, task="chat", cost=cost_of(asked)
        ) as leased:
            *text, end = await worker.run(
                lambda cancelled: list(leased.model.generate(asked, cancelled))
            )
            if not isinstance(end, Completed):
                raise Cancelled("The request was cancelled.")
            leased.spent(end.prompt_tokens + end.completion_tokens)
            return chat_pb2.ChatCompletionResponse(
                model=leased.manifest.name, text="".join(map(str, text)), finished=_finished(end)
            )

    async def StreamChatCompletion(
        self,
        request: chat_pb2.StreamChatCompletionRequest,
        context: grpc.aio.ServicerContext[
            chat_pb2.StreamChatCompletionRequest, chat_pb2.StreamChatCompletionResponse
        ],
    ) -> AsyncIterator[chat_pb2.StreamChatCompletionResponse]:
        """Streams the answer."""
        asked, wanted = request_of(request.completion), request.completion.model
        async with self._host.lease(
            context_of(context), wanted, task="chat", cost=cost_of(asked)
        ) as leased:
            name = leased.manifest.name

            def generate(cancelled: Cancellation) -> Iterator[str | Completed]:
                return leased.model.generate(asked, cancelled)

            async with worker.stream(generate) as pieces:
                async for piece in pieces:
                    if isinstance(piece, Completed):
                        leased.spent(piece.prompt_tokens + piece.completion_tokens)
                    yield _piece(name, piece)


def cost_of(request: ChatRequest) -> float:
    """Tokens that a request will take, as far as can be said before it is read."""
    characters = sum(len(message.text) for message in request.messages)
    return characters / CHARACTERS_PER_TOKEN + (request.max_tokens or TYPICAL_ANSWER)


def request_of(request: chat_pb2.ChatCompletionRequest) -> ChatRequest:
    """The values of a request. Raises `InvalidRequest` naming the field at fault."""
    if not request.messages:
        raise InvalidRequest("Send at least one message.", param="messages")
    for field, (low, high) in _RANGES.items():
        # `not (a <= x <= b)` rather than `x < a or x > b`: NaN fails every comparison.
        if request.HasField(field) and not (low <= getattr(request, field) <= high):  # type: ignore[arg-type]
            raise InvalidRequest(f"{field} must be between {low} and {high}.", param=field)
    if len(request.stop) > MAX_STOPS:
        raise InvalidRequest(f"At most {MAX_STOPS} stop strings.", param="stop")
    return ChatRequest(
        messages=tuple(_message(message, at) for at, message in enumerate(request.messages)),
        sampling=Sampling(
            **{
                field: getattr(request, field)
                for field in Sampling.__dataclass_fields__
                if request.HasField(field)  # type: ignore[arg-type]
            }
        ),
        max_tokens=request.max_tokens if request.HasField("max_tokens") else None,
        stop=tuple(request.stop),
        json_object=request.response_format == chat_pb2.RESPONSE_FORMAT_JSON_OBJECT,
    )


def _message(message: chat_pb2.Message, at: int) -> Message:
    role = _ROLES.get(message.role)
    if role is None:
        raise InvalidRequest(
            "role must be system, user or assistant.", param=f"messages[{at}].role"
        )
    return Message(role, "".join(part.text for part in message.content))


def _piece(model: str, piece: str | Completed) -> chat_pb2.StreamChatCompletionResponse:
    if isinstance(piece, str):
        return chat_pb2.StreamChatCompletionResponse(model=model, delta=piece)
    return chat_pb2.StreamChatCompletionResponse(model=model, finished=_finished(piece))


def _finished(end: Completed) -> chat_pb2.Finished:
    return chat_pb2.Finished(
        reason=_REASONS[end.reason],
        prompt_tokens=end.prompt_tokens,
        completion_tokens=end.completion_tokens,
    )
