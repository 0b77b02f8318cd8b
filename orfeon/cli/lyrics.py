"""`orfeon lyrics`: a song, line by line."""

import json
from typing import Annotated, Any

import httpx
import typer

from orfeon.calls import Call
from orfeon.cli.options import (
    DEFAULT_HOME,
    ApiKey,
    AsJson,
    BaseUrl,
    Home,
    Priority,
    connected,
)
from orfeon.cli.output import err, write
from orfeon.events import events, unknown


def lyrics(
    genre: Annotated[
        str | None, typer.Argument(help="rock, pop, rap or one of yours. Default: the default.")
    ] = None,
    title: Annotated[str | None, typer.Option(help="The song's title.")] = None,
    style: Annotated[str | None, typer.Option(help="An artist or a manner to write in.")] = None,
    theme: Annotated[str | None, typer.Option(help="What the song is about.")] = None,
    mood: Annotated[str | None, typer.Option(help="A label of emotion, such as 'sad'.")] = None,
    language: Annotated[str | None, typer.Option(help="One of the genre's, such as 'en'.")] = None,
    first_line: Annotated[str | None, typer.Option(help="Kept as it is.")] = None,
    sections: Annotated[
        str | None, typer.Option(help="In order, such as 'verse,chorus,verse,chorus'.")
    ] = None,
    lines: Annotated[int | None, typer.Option(min=1, help="Lines of each section.")] = None,
    seed: Annotated[int | None, typer.Option(help="The same one gives the same song.")] = None,
    temperature: Annotated[float | None, typer.Option(min=0.0, max=2.0)] = None,
    priority: Priority = None,
    home: Home = DEFAULT_HOME,
    base_url: BaseUrl = None,
    api_key: ApiKey = None,
    as_json: AsJson = False,
) -> None:
    """Write the lyrics of a song. The seed, said at the end, gives the same song again."""
    options = {
        "genre": genre,
        "title": title,
        "style": style,
        "theme": theme,
        "mood": mood,
        "language": language,
        "first_line": first_line,
        "sections": [kind.strip() for kind in sections.split(",")] if sections else None,
        "lines": lines,
        "seed": seed,
        "temperature": temperature,
        "priority": priority,
    }
    wish: dict[str, Any] = {name: value for name, value in options.items() if value is not None}
    with connected(home, base_url, api_key) as gateway:
        if as_json:
            whole: Call[Any] = Call("POST", "lyrics", httpx.Response.json, json=wish)
            typer.echo(json.dumps(gateway.send(whole)))
            return
        streamed: Call[None] = Call(
            "POST", "lyrics", lambda response: None, json=wish | {"stream": True}
        )
        with gateway.stream(streamed) as response:
            show(response)


def show(response: httpx.Response) -> None:
    """Prints a song as its lines come. Raises `OrfeonError`."""
    seed, section = None, None
    for event in events(response):
        try:
            if event["type"] == "lyrics.created":
                seed = event["seed"]
            elif event["type"] == "lyrics.line":
                if event["section"] != section:
                    write("" if section is None else "\n")
                    write(f"[{event['kind'].capitalize()}]\n")
                    section = event["section"]
                write(f"{event['text']}\n")
        except (LookupError, TypeError, AttributeError) as error:
            raise unknown() from error
    err().print(f"seed {seed}", highlight=False)
