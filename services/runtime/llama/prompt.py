"""From a conversation to tokens, by the chat template of the model."""

import json
import re
import secrets
from collections.abc import Mapping, Sequence
from typing import Any

import jinja2
from llama_cpp.llama_chat_format import Jinja2ChatFormatter

from services.runtime.errors import ContextLengthExceeded, InvalidRequest
from services.runtime.llama.gallery import Gallery
from services.runtime.llama.generation import Image, Message, Prompt, Tool
from services.runtime.llama.marks import is_mark
from services.runtime.llama.weights import Weights

#: What models write around a call, and what their templates mention if they know tools this way.
CALL, END_OF_CALL = "<tool_call>", "</tool_call>"
_KNOWN_KEY = re.compile(r"[A-Za-z0-9_-]+")


class Prompter:
    """Makes prompts for one model. May be used in several threads."""

    def __init__(
        self, weights: Weights, context: int, *, template: str = "", gallery: Gallery | None = None
    ) -> None:
        """`template` is Jinja, instead of the model's own; without a gallery nothing is seen."""
        self._weights = weights
        self._context = context
        self._gallery = gallery
        self._template = template or weights.chat_template
        self._formatter = _Formatter(
            template=self._template, eos_token=weights.end, bos_token=weights.begin
        )
        self._knows_tools = "tools" in self._template and CALL in self._template
        # Templates of models that see often take what is said as a list of parts, and some of them
        # nothing else.
        self._in_parts = not self._shows(in_parts=False) and self._shows(in_parts=True)

    def text(self, text: str) -> Prompt:
        """Plain text. Raises `ContextLengthExceeded`."""
        self._check_size(len(text), "prompt")
        return Prompt(tuple(self._weights.tokenize(text, special=False, begin=True)))

    def conversation(self, messages: Sequence[Message], tools: Sequence[Tool]) -> Prompt:
        """A conversation up to where the model answers.

        Only the template's own text may hold control tokens: what people write, descriptions of
        tools included, is tokenised apart, so that nothing can end its own turn and speak in
        another role. Raises `ContextLengthExceeded`, `InvalidRequest`.
        """
        if not self._template:
            raise InvalidRequest(
                "This model has no chat template, so it can only continue text: use "
                "/v1/completions, or another model.",
                param="model",
            )
        if self._gallery is None and any(map(_pictures, messages)):
            raise InvalidRequest(
                "This model cannot see: leave the pictures out, or choose a model that can.",
                param="messages",
            )
        described = [_described(tool) for tool in tools]
        self._check_size(
            sum(_size(message) for message in messages) + len(json.dumps(described)), "messages"
        )
        if not self._knows_tools:
            messages = _told_of_tools(messages, described)
            described = []
        apart = _Apart()
        spoken = list(map(_spoken, messages))
        rendered = self._render(apart, spoken, described, in_parts=self._in_parts)
        return self._prompt(apart.split(rendered))

    def _prompt(self, pieces: Sequence[tuple[str | Image, bool]]) -> Prompt:
        tokens: list[int] = []
        images = []
        for piece, special in pieces:
            if isinstance(piece, str):
                tokens += self._weights.tokenize(piece, special=special)
                continue
            assert self._gallery is not None
            tokens += self._gallery.tokens(piece)
            images.append(piece)
            if len(tokens) >= self._context:  # Else the next would be unpacked for nothing.
                raise ContextLengthExceeded(
                    f"This model's context holds {self._context} tokens, and the first "
                    f"{len(images)} of the pictures take them all: send fewer.",
                    param="messages",
                )
        if tokens and is_mark(tokens[-1]):
            raise InvalidRequest(
                "This model can say nothing right after a picture: put text behind it.",
                param="messages",
            )
        return Prompt(tuple(tokens), tuple(images))

    def _shows(self, *, in_parts: bool) -> bool:
        """Whether the template shows what a user says, given whole or in parts."""
        apart = _Apart()
        question = {"role": "user", "content": "?"}
        try:
            rendered = self._render(apart, [question], [], in_parts=in_parts)
        except InvalidRequest:
            return False
        return ("?", False) in apart.split(rendered)

    def _render(
        self, apart: "_Apart", messages: list[dict[str, Any]], tools: list[dict[str, Any]],
        *, in_parts: bool,
    ) -> str:  # fmt: skip
        if in_parts:
            messages = [
                message | {"content": [{"type": "text", "text": message["content"]}]}
                for message in messages
            ]
        try:
            return self._formatter(
                messages=apart.hide(messages), tools=apart.hide(tools) or None, apart=apart
            ).prompt
        except Exception as error:  # Whatever the template raises is about the messages' order.
            raise InvalidRequest(
                "The model's chat template refuses this order of roles; alternate user and "
                "assistant, and begin with system or user.",
                param="messages",
            ) from error

    def _check_size(self, characters: int, param: str) -> None:
        """Refuses megabytes unread: to count their tokens would keep others waiting."""
        most = self._context * self._weights.longest_token
        if characters > most:
            raise ContextLengthExceeded(
                f"This model's context holds {self._context} tokens, and {characters:,} characters "
                f"are certainly more: shorten the text to well below {most:,}.",
                param=param,
            )


class _Content(tuple[str | Image, ...]):
    """What a message with pictures says, which templates are shown as one text."""


class _Apart:
    """Texts of people, for each of which a mark stands in what the template renders."""

    def __init__(self) -> None:
        # Nobody can write a mark, since nobody knows the number.
        self._mark = f"\ue000{secrets.token_hex(8)}-"
        self._marks = re.compile(f"{self._mark}(\\d+)\ue001")
        self._texts: list[str | Image] = []

    def hide(self, value: Any) -> Any:
        """The value with a mark for every text in it, and for every key that is no plain word."""
        if isinstance(value, str | Image):
            self._texts.append(value)
            return f"{self._mark}{len(self._texts) - 1}\ue001"
        if isinstance(value, _Content):
            return "".join(map(self.hide, value))
        if isinstance(value, Mapping):
            return {
                key if _KNOWN_KEY.fullmatch(key) else self.hide(key): inner
                if key in ("role", "type")
                else self.hide(inner)
                for key, inner in value.items()
            }
        if isinstance(value, Sequence):
            return [self.hide(inner) for inner in value]
        return value

    def json(self, value: Any, **layout: Any) -> str:
        """JSON of what was hidden, itself hidden."""
        layout["ensure_ascii"] = False
        hidden: str = self.hide(json.dumps(self._shown(value), **layout))
        return hidden

    def split(self, rendered: str) -> list[tuple[str | Image, bool]]:
        """What was rendered, in pieces; whether each may hold control tokens."""
        pieces = self._marks.split(rendered)
        return [
            (self._texts[int(piece)], False) if at % 2 else (piece, True)
            for at, piece in enumerate(pieces)
            if piece
        ]

    def _text(self, at: int) -> str:
        text = self._texts[at]
        return text if isinstance(text, str) else ""

    def _shown(self, value: Any) -> Any:
        if isinstance(value, str):
            return self._marks.sub(lambda found: self._text(int(found[1])), value)
        if isinstance(value, Mapping):
            return {self._shown(key): self._shown(inner) for key, inner in value.items()}
        if isinstance(value, Sequence):
            return [self._shown(inner) for inner in value]
        return value


class _Formatter(Jinja2ChatFormatter):
    """llama-cpp-python's, but for what `tojson` shows."""

    @staticmethod
    @jinja2.pass_context
    def tojson(  # type: ignore[override]
        context: jinja2.runtime.Context, value: Any, **layout: Any
    ) -> str:
        """JSON, hidden in the `_Apart` that is rendered with."""
        apart: _Apart = context["apart"]
        return apart.json(value, **layout)


def _pictures(message: Message) -> bool:
    return any(isinstance(part, Image) for part in message.content)


def _size(message: Message) -> int:
    """Characters of a message."""
    calls = sum(len(call.name) + len(call.arguments) for call in message.tool_calls)
    return len(message.text) + len(message.name) + calls


def _described(tool: Tool) -> dict[str, Any]:
    return {
        "type": "function",
        "function": {
            "name": tool.name,
            "description": tool.description,
            "parameters": dict(tool.parameters),
        },
    }


def _spoken(message: Message) -> dict[str, Any]:
    """A message as templates take it."""
    content = _Content(message.content) if _pictures(message) else message.text
    spoken: dict[str, Any] = {"role": message.role, "content": content}
    if message.name:
        spoken["name"] = message.name
    if message.tool_calls:
        spoken["tool_calls"] = [
            {
                "id": call.id,
                "type": "function",
                "function": {"name": call.name, "arguments": _arguments(call.arguments)},
            }
            for call in message.tool_calls
        ]
    if message.tool_call_id:
        spoken["tool_call_id"] = message.tool_call_id
    return spoken


def _arguments(text: str) -> Any:
    """Arguments of a call as templates want them; the text itself where it is no JSON object."""
    try:
        parsed = json.loads(text)
    except (ValueError, RecursionError):
        return text
    return parsed if isinstance(parsed, dict) else text


def _told_of_tools(
    messages: Sequence[Message], tools: Sequence[Mapping[str, Any]]
) -> list[Message]:
    """The conversation for a template that knows no tools: they, their calls and what these gave
    become text, in the form that most models that know tools were taught.
    """
    told = [_as_text(message) for message in messages]
    if tools:
        listed = "\n".join(json.dumps(tool, ensure_ascii=False) for tool in tools)
        text = (
            "You may call functions to help the user. These are the functions, as JSON:\n"
            f"<tools>\n{listed}\n</tools>\n\n"
            f"To call one, write its name and its arguments as JSON:\n{CALL}\n"
            f'{{"name": "the name", "arguments": {{}}}}\n{END_OF_CALL}'
        )
        if told and told[0].role == "system":
            told[0] = Message("system", (*told[0].content, "\n\n" + text))
        else:
            told.insert(0, Message("system", (text,)))
    return told


def _as_text(message: Message) -> Message:
    if message.role == "tool":
        return Message("user", ("<tool_response>\n", *message.content, "\n</tool_response>"))
    if not message.tool_calls:
        return message
    calls = [
        f"{CALL}\n"
        + json.dumps(
            {"name": call.name, "arguments": _arguments(call.arguments)}, ensure_ascii=False
        )
        + f"\n{END_OF_CALL}"
        for call in message.tool_calls
    ]
    return Message(message.role, ("\n".join([*filter(None, [message.text]), *calls]),))
