"""`orfeon chat`: talk to a model."""

import sys
from collections.abc import Iterator
from typing import Annotated, Any

import httpx
import typer

from orfeon.calls import Call
from orfeon.cli.options import DEFAULT_HOME, ApiKey, BaseUrl, Home, ModelName, Priority, connected
from orfeon.cli.output import complain, write
from orfeon.errors import OrfeonError
from orfeon.events import events, unknown
from orfeon.fault import Fault
from orfeon.transport import Transport

Message = dict[str, str]


def chat(
    prompt: Annotated[
        str | None, typer.Argument(help="One question. Without it, a conversation.")
    ] = None,
    model: ModelName = None,
    system: Annotated[str | None, typer.Option(help="What the model is to be.")] = None,
    temperature: Annotated[float | None, typer.Option(min=0.0, max=2.0)] = None,
    max_tokens: Annotated[int | None, typer.Option(min=1)] = None,
    priority: Priority = None,
    home: Home = DEFAULT_HOME,
    base_url: BaseUrl = None,
    api_key: ApiKey = None,
) -> None:
    """Chat with a model: one question, or a conversation until Ctrl-D."""
    options = {
        "model": model,
        "temperature": temperature,
        "max_completion_tokens": max_tokens,
        "priority": priority,
    }
    given = {name: value for name, value in options.items() if value is not None}
    history: list[Message] = [{"role": "system", "content": system}] if system else []
    if prompt is None and not sys.stdin.isatty():
        prompt = sys.stdin.read()
    if prompt is not None and not prompt.strip():
        raise Fault("There is nothing to answer; give a prompt.")
    with connected(home, base_url, api_key) as gateway:
        if prompt is None:
            _converse(gateway, history, given)
        else:
            _answer(gateway, [*history, {"role": "user", "content": prompt}], given)


def _converse(gateway: Transport, history: list[Message], options: dict[str, Any]) -> None:
    while True:
        try:
            asked = input("> ").strip()
        except EOFError:
            write("\n")
            return
        if not asked:
            continue
        turn: list[Message] = [*history, {"role": "user", "content": asked}]
        try:
            said = _answer(gateway, turn, options)
        except OrfeonError as error:
            complain(error.message)
        else:
            history[:] = [*turn, {"role": "assistant", "content": said}]


def _answer(gateway: Transport, messages: list[Message], options: dict[str, Any]) -> str:
    """Prints the answer while it is generated; returns it whole."""
    body = {**options, "messages": messages, "stream": True}
    call: Call[None] = Call("POST", "chat/completions", lambda response: None, json=body)
    said: list[str] = []
    try:
        with gateway.stream(call) as response:
            for piece in deltas(response):
                said.append(piece)
                write(piece)
    finally:
        if said:
            write("\n")
    return "".join(said)


def deltas(response: httpx.Response) -> Iterator[str]:
    """The pieces of text in a stream of events. Raises `OrfeonError` for an error in it."""
    for event in events(response):
        try:
            choices = event["choices"]
            piece = choices[0]["delta"].get("content") if choices else None
        except (LookupError, TypeError, AttributeError) as error:
            raise unknown() from error
        if piece:
            yield str(piece)
