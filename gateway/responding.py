"""A response as it comes to be: events of the chat contract -> items, and the events about them."""

import time
from collections.abc import Iterator, Mapping
from typing import Any

from gateway.generation import new_id, tokens_of
from gateway.schemas.generation import TokenLogprob
from gateway.schemas.responses import (
    ModelResponse,
    NamedResponseTool,
    OutputCall,
    OutputMessage,
    ResponseRequest,
    Status,
    TextFormat,
)
from orfeon.api.chat.v1 import chat_pb2

Event = Mapping[str, Any]


class Responding:
    """One response, and the events about it, numbered as they are asked for."""

    def __init__(self, body: ResponseRequest) -> None:
        self.response = _begun(body)
        self._with_logprobs = body.with_logprobs
        self._count = 0
        self._reason = 0
        self._open: OutputMessage | OutputCall | None = None

    def add(self, piece: chat_pb2.StreamChatCompletionResponse) -> Iterator[Event]:
        """What a piece of the answer means; the last has the usage."""
        if not self._count:
            self.response["model"] = piece.model
            yield self._event("response.created", response=self._snapshot())
            yield self._event("response.in_progress", response=self._snapshot())
        if piece.HasField("delta"):
            yield from self._delta(piece.delta)
        elif piece.HasField("finished"):
            self._reason = piece.finished.reason
        else:
            yield from self._finish(piece.usage)

    def _delta(self, delta: chat_pb2.Delta) -> Iterator[Event]:
        logprobs = tokens_of(delta.tokens) if self._with_logprobs else []
        if delta.text or (logprobs and not delta.tool_calls):
            yield from self._say(delta.text, logprobs)
        for call in delta.tool_calls:
            if call.id:
                yield from self._close("completed")
                yield from self._call(call)
            if call.arguments:
                yield from self._argue(call.arguments)

    def _finish(self, usage: chat_pb2.Usage) -> Iterator[Event]:
        status: Status = "completed"
        if self._reason == chat_pb2.FINISH_REASON_LENGTH:
            status = "incomplete"
            self.response["incomplete_details"] = {"reason": "max_output_tokens"}
        if not self.response["output"]:
            yield from self._message()
        yield from self._close(status)
        self.response["status"] = status
        self.response["usage"] = {
            "input_tokens": usage.prompt_tokens,
            "input_tokens_details": {"cached_tokens": usage.cached_tokens, "cache_write_tokens": 0},
            "output_tokens": usage.completion_tokens,
            "output_tokens_details": {"reasoning_tokens": 0},
            "total_tokens": usage.prompt_tokens + usage.completion_tokens,
        }
        yield self._event(f"response.{status}", response=self._snapshot())

    def _say(self, text: str, logprobs: list[TokenLogprob]) -> Iterator[Event]:
        if self._open is None or self._open["type"] != "message":
            yield from self._close("completed")
            yield from self._message()
        assert self._open is not None
        assert self._open["type"] == "message"
        part = self._open["content"][0]
        part["text"] += text
        part["logprobs"] += logprobs
        yield self._part("response.output_text.delta", delta=text, logprobs=logprobs)

    def _message(self) -> Iterator[Event]:
        message: OutputMessage = {
            "id": new_id("msg_"),
            "type": "message",
            "status": "in_progress",
            "role": "assistant",
            "content": [],
        }
        yield from self._item(message)
        message["content"].append(
            {"type": "output_text", "text": "", "annotations": [], "logprobs": []}
        )
        yield self._part("response.content_part.added", part=dict(message["content"][0]))

    def _call(self, call: chat_pb2.ToolCallDelta) -> Iterator[Event]:
        yield from self._item(
            {
                "id": new_id("fc_"),
                "type": "function_call",
                "status": "in_progress",
                "call_id": call.id,
                "name": call.name,
                "arguments": "",
            }
        )

    def _argue(self, arguments: str) -> Iterator[Event]:
        assert self._open is not None
        assert self._open["type"] == "function_call"
        self._open["arguments"] += arguments
        yield self._about("response.function_call_arguments.delta", delta=arguments)

    def _item(self, item: OutputMessage | OutputCall) -> Iterator[Event]:
        self._open = item
        self.response["output"].append(item)
        yield self._event("response.output_item.added", output_index=self._at, item=_copy(item))

    def _close(self, status: Status) -> Iterator[Event]:
        """The item that is open, if any, has ended."""
        item = self._open
        if item is None:
            return
        if item["type"] == "message":
            part = item["content"][0]
            yield self._part(
                "response.output_text.done", text=part["text"], logprobs=part["logprobs"]
            )
            yield self._part("response.content_part.done", part=dict(part))
        else:
            yield self._about(
                "response.function_call_arguments.done",
                name=item["name"],
                arguments=item["arguments"],
            )
        item["status"] = status
        yield self._event("response.output_item.done", output_index=self._at, item=_copy(item))
        self._open = None

    @property
    def _at(self) -> int:
        return len(self.response["output"]) - 1

    def _part(self, kind: str, **rest: Any) -> Event:
        return self._about(kind, content_index=0, **rest)

    def _about(self, kind: str, **rest: Any) -> Event:
        assert self._open is not None
        return self._event(kind, item_id=self._open["id"], output_index=self._at, **rest)

    def _event(self, kind: str, **rest: Any) -> Event:
        self._count += 1
        return {"type": kind, "sequence_number": self._count - 1, **rest}

    def _snapshot(self) -> ModelResponse:
        return {**self.response, "output": [_copy(item) for item in self.response["output"]]}


def _copy(item: OutputMessage | OutputCall) -> Any:
    """An item as it is now: it goes on changing."""
    if item["type"] == "message":
        return {**item, "content": [dict(part) for part in item["content"]]}
    return dict(item)


def _begun(body: ResponseRequest) -> ModelResponse:
    choice = body.tool_choice or "auto"
    return {
        "id": new_id("resp_"),
        "object": "response",
        "created_at": int(time.time()),
        "status": "in_progress",
        "background": False,
        "error": None,
        "incomplete_details": None,
        "instructions": body.instructions,
        "max_output_tokens": body.max_output_tokens,
        "metadata": body.metadata or {},
        "model": body.model or "",
        "output": [],
        "parallel_tool_calls": body.parallel_tool_calls is not False,
        "previous_response_id": None,
        "store": False,
        "temperature": body.temperature,
        "text": {"format": _format(body.text.format if body.text else None)},
        "tool_choice": dict(choice) if isinstance(choice, NamedResponseTool) else choice,
        "tools": [dict(tool) for tool in body.tools or ()],
        "top_logprobs": body.top_logprobs or 0,
        "top_p": body.top_p,
        "truncation": "disabled",
        "usage": None,
    }


def _format(wanted: TextFormat | None) -> dict[str, Any]:
    if wanted is None or wanted.type != "json_schema":
        return {"type": wanted.type if wanted else "text"}
    return {
        "type": wanted.type,
        "name": wanted.name,
        "description": wanted.description,
        "schema": wanted.json_schema,
        "strict": wanted.strict,
    }
