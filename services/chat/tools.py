"""Functions that a model may ask for: the grammar of its calls, and calls out of its text.

A call is written as Hermes and Qwen models learn it, `<tool_call>`, a JSON object on a line, and
`</tool_call>`. A grammar holds from the first mark on, so what follows it is always a call.
"""

import json
import re
import uuid
from collections.abc import Mapping, Sequence
from typing import Any

from orfeon.api.chat.v1 import chat_pb2
from services.runtime.errors import InvalidRequest
from services.runtime.llama.gbnf import Grammar, choice, literal
from services.runtime.llama.generation import Tool
from services.runtime.llama.schema import SchemaRules
from services.runtime.llama.text import beginning

MAX_TOOLS = 128
#: Calls in one answer.
MAX_CALLS = 16

MARK = "<tool_call>"
_HEAD = re.compile(r'<tool_call>\n\{"name": "([\w-]+)", "arguments": ')
_NAME = re.compile(r"[a-zA-Z0-9_-]{1,64}")
_TAIL = "}\n</tool_call>"


def check(tools: Sequence[Tool]) -> None:
    """Raises `InvalidRequest` for names that are none, or that two have."""
    if len(tools) > MAX_TOOLS:
        raise InvalidRequest(
            f"At most {MAX_TOOLS} tools; {len(tools)} were sent: leave some out.", param="tools"
        )
    names: set[str] = set()
    for at, tool in enumerate(tools):
        if not _NAME.fullmatch(tool.name):
            raise InvalidRequest(
                "A tool's name has 1 to 64 letters, digits, underscores and hyphens.",
                param=f"tools[{at}].name",
            )
        if tool.name in names:
            raise InvalidRequest("Two tools have this name.", param=f"tools[{at}].name")
        names.add(tool.name)


def grammar_of(
    tools: Sequence[Tool], *, parallel: bool, otherwise: Mapping[str, Any] | None = None
) -> str:
    """A grammar of one call, or of several; with `otherwise`, or of a value by that schema.

    Raises `InvalidRequest` naming the tool whose parameters cannot be enforced.
    """
    grammar = Grammar()
    call = grammar.rule(choice([_call(grammar, tool, at) for at, tool in enumerate(tools)]))
    calls = f'{call} ("\\n" {call}){{0,{MAX_CALLS - 1}}}' if parallel else call
    if otherwise is not None:
        calls = choice([calls, SchemaRules(grammar, otherwise).value()])
    grammar.define("root", calls)
    return grammar.text()


def _call(grammar: Grammar, tool: Tool, at: int) -> str:
    head = literal(f'{MARK}\n{{"name": "{tool.name}", "arguments": ')
    if tool.parameters.get("type", "object") != "object":
        raise InvalidRequest(
            "The parameters of a tool are a JSON schema of type object.",
            param=f"tools[{at}].parameters",
        )
    try:
        arguments = SchemaRules(grammar, {**tool.parameters, "type": "object"}).value()
    except InvalidRequest as error:
        raise InvalidRequest(error.message, param=f"tools[{at}].parameters") from error
    return f"{head} {arguments} {literal(_TAIL)}"


class CallReader:
    """Takes an answer's text as it comes, and tells text from calls."""

    def __init__(self, *, anywhere: bool) -> None:
        """`anywhere` is whether calls may come after text; else they stand at the beginning."""
        self._anywhere = anywhere
        self._read = self._text
        self._held = ""
        self._arguments = ""
        self._calls = 0

    @property
    def called(self) -> bool:
        """Whether a call has begun."""
        return self._calls > 0

    def feed(self, text: str) -> chat_pb2.Delta:
        """What the text adds to the answer."""
        delta = chat_pb2.Delta()
        self._held += text
        while self._read(delta):
            pass
        return delta

    def finish(self) -> chat_pb2.Delta:
        """What was held back, at the end of the answer. A call cut short in its name is none."""
        delta = chat_pb2.Delta()
        if self._read == self._inside:
            # A brace at the end may be of the arguments, or of the call around them.
            if not _is_json(self._arguments):
                self._emit(delta, self._held)
        elif self._read == self._text and not (self.called and not self._held.strip()):
            delta.text = self._held
        self._held = ""
        return delta

    def _text(self, delta: chat_pb2.Delta) -> bool:
        if self.called:
            self._held = self._held.lstrip("\n")
        at = self._held.find(MARK)
        if at >= 0 and (self._anywhere or at == 0):
            delta.text += self._held[:at]
            self._held, self._read = self._held[at:], self._head
            return True
        keep = beginning(self._held, MARK) if self._anywhere or len(self._held) < len(MARK) else 0
        cut = len(self._held) - keep
        if cut:
            delta.text += self._held[:cut]
            self._held = self._held[cut:]
            if not self._anywhere:
                self._read = self._plain
        return False

    def _plain(self, delta: chat_pb2.Delta) -> bool:
        delta.text += self._held
        self._held = ""
        return False

    def _head(self, delta: chat_pb2.Delta) -> bool:
        match = _HEAD.match(self._held)
        if match is None:
            return False
        delta.tool_calls.append(
            chat_pb2.ToolCallDelta(
                index=self._calls, id=f"call_{uuid.uuid4().hex[:24]}", name=match[1]
            )
        )
        self._calls += 1
        self._arguments = ""
        self._held, self._read = self._held[match.end() :], self._inside
        return True

    def _inside(self, delta: chat_pb2.Delta) -> bool:
        # Inside JSON a line break is written \n, so the tail cannot be part of the arguments.
        at = self._held.find(_TAIL)
        if at >= 0:
            self._emit(delta, self._held[:at])
            self._held, self._read = self._held[at + len(_TAIL) :], self._text
            return True
        cut = len(self._held) - beginning(self._held, _TAIL)
        self._emit(delta, self._held[:cut])
        self._held = self._held[cut:]
        return False

    def _emit(self, delta: chat_pb2.Delta, arguments: str) -> None:
        if not arguments:
            return
        self._arguments += arguments
        if delta.tool_calls:
            delta.tool_calls[-1].arguments += arguments
        else:
            delta.tool_calls.append(
                chat_pb2.ToolCallDelta(index=self._calls - 1, arguments=arguments)
            )


def _is_json(text: str) -> bool:
    try:
        json.loads(text)
    except ValueError:
        return False
    return True
