"""A model that answers at once, over HTTP as OpenAI does and over gRPC as our services do.

`python -m bench.mock HTTP_PORT GRPC_SOCKET`. Both doors open in one process give both gateways the
same upstream.
"""

import json
import sys
from typing import Any

import grpc
import uvicorn
import uvloop
from grpc_health.v1 import health_pb2, health_pb2_grpc
from grpc_health.v1.health import aio as aio_health

from orfeon.api.chat.v1 import chat_pb2, chat_pb2_grpc
from orfeon.api.models.v1 import models_pb2, models_pb2_grpc

MODEL = "mock"
ANSWER = "The quick brown fox jumps over the lazy dog."
_USAGE = chat_pb2.Usage(prompt_tokens=10, completion_tokens=10)
_CHOICE = chat_pb2.Choice(text=ANSWER, reason=chat_pb2.FINISH_REASON_STOP)
SERVICE = chat_pb2.DESCRIPTOR.services_by_name["ChatService"].full_name

_COMPLETION = json.dumps(
    {
        "id": "chatcmpl-mock",
        "object": "chat.completion",
        "created": 1,
        "model": MODEL,
        "choices": [
            {
                "index": 0,
                "message": {"role": "assistant", "content": ANSWER},
                "finish_reason": "stop",
            }
        ],
        "usage": {"prompt_tokens": 10, "completion_tokens": 10, "total_tokens": 20},
    }
).encode()


async def http(scope: dict[str, Any], receive: Any, send: Any) -> None:
    """A bare ASGI application: every path answers the same completion."""
    if scope["type"] != "http":
        return
    while (await receive()).get("more_body"):
        pass
    headers = [(b"content-type", b"application/json")]
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    await send({"type": "http.response.body", "body": _COMPLETION})


class Chat(chat_pb2_grpc.ChatServiceServicer):
    """The same completion."""

    async def ChatCompletion(
        self, request: chat_pb2.ChatCompletionRequest, context: Any
    ) -> chat_pb2.ChatCompletionResponse:
        return chat_pb2.ChatCompletionResponse(model=MODEL, choices=[_CHOICE], usage=_USAGE)


class Models(models_pb2_grpc.ModelServiceServicer):
    """One model."""

    async def ListModels(
        self, request: models_pb2.ListModelsRequest, context: Any
    ) -> models_pb2.ListModelsResponse:
        model = models_pb2.Model(id=MODEL, capability="chat", tasks=["chat"], is_default=True)
        return models_pb2.ListModelsResponse(models=[model])


async def main() -> None:
    """Serves both until killed."""
    port, socket = int(sys.argv[1]), sys.argv[2]
    server = grpc.aio.server()
    health = aio_health.HealthServicer()
    for name in ("", SERVICE):
        await health.set(name, health_pb2.HealthCheckResponse.SERVING)
    health_pb2_grpc.add_HealthServicer_to_server(health, server)
    # What they do not define answers UNIMPLEMENTED, by gRPC's own base classes.
    chat = Chat()  # type: ignore[abstract]
    chat_pb2_grpc.add_ChatServiceServicer_to_server(chat, server)
    models = Models()  # type: ignore[abstract]
    models_pb2_grpc.add_ModelServiceServicer_to_server(models, server)
    server.add_insecure_port(f"unix:{socket}")
    await server.start()
    config = uvicorn.Config(http, port=port, log_level="warning", access_log=False)
    await uvicorn.Server(config).serve()


if __name__ == "__main__":
    uvloop.run(main())
