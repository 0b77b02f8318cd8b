"""`orfeon melody`: music, into a file."""

import base64
from pathlib import Path
from typing import Annotated, Any, BinaryIO

import httpx
import typer
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn

from orfeon.calls import Call, File, Upload, melody_form
from orfeon.cli.options import (
    DEFAULT_HOME,
    ApiKey,
    BaseUrl,
    Home,
    ModelName,
    Priority,
    connected,
)
from orfeon.cli.output import err
from orfeon.cli.writing import written
from orfeon.events import events, unknown
from orfeon.fault import Fault

_FORMATS = {
    ".mp3": "mp3",
    ".wav": "wav",
    ".flac": "flac",
    ".ogg": "ogg",
    ".mid": "midi",
    ".midi": "midi",
    ".musicxml": "musicxml",
    ".zip": "zip",
}


def melody(
    output: Annotated[
        Path,
        typer.Option("--output", "-o", help=f"Its name tells the format: {', '.join(_FORMATS)}."),
    ],
    genre: Annotated[str | None, typer.Option(help="One of GET /v1/melodies/genres.")] = None,
    mood: Annotated[str | None, typer.Option(help="A label of emotion, such as 'sad'.")] = None,
    prompt: Annotated[
        str | None, typer.Option(help="A description, for models that read one.")
    ] = None,
    duration: Annotated[
        float | None, typer.Option(min=1, max=180, help="Seconds. Default: 30.")
    ] = None,
    tempo: Annotated[
        float | None, typer.Option(min=40, max=240, help="Quarter notes per minute.")
    ] = None,
    key: Annotated[str | None, typer.Option(help="Such as 'C major' or 'F# minor'.")] = None,
    sections: Annotated[
        str | None, typer.Option(help="In order, such as 'intro,verse,chorus'.")
    ] = None,
    follow: Annotated[
        Path | None, typer.Option(help="A recording whose melody to follow, where a model can.")
    ] = None,
    seed: Annotated[int | None, typer.Option(min=0, help="The same gives the same notes.")] = None,
    temperature: Annotated[float | None, typer.Option(min=0.0, max=2.0)] = None,
    model: ModelName = None,
    priority: Priority = None,
    home: Home = DEFAULT_HOME,
    base_url: BaseUrl = None,
    api_key: ApiKey = None,
) -> None:
    """Compose music. The seed, said at the end, gives the same notes again."""
    file_format = _FORMATS.get(output.suffix.lower())
    if file_format is None:
        raise Fault(f"The name {output} does not tell the format; end it in {', '.join(_FORMATS)}.")
    options = {
        "genre": genre,
        "mood": mood,
        "prompt": prompt,
        "duration": duration,
        "tempo": tempo,
        "key": key,
        "sections": [{"kind": kind.strip()} for kind in sections.split(",")] if sections else None,
        "seed": seed,
        "temperature": temperature,
        "model": model,
        "priority": priority,
        "response_format": file_format,
        # An archive comes as a whole, so there is nothing to tell on the way.
        "stream_format": None if file_format == "zip" else "sse",
    }
    wish = {name: value for name, value in options.items() if value is not None}
    with (
        connected(home, base_url, api_key) as gateway,
        written(output) as file,
        gateway.stream(_call(wish, follow)) as response,
    ):
        told = _whole(response, file) if file_format == "zip" else show(response, file)
    err().print(f"seed {told}", highlight=False)


def _call(wish: dict[str, Any], follow: File | None) -> Call[None]:
    if follow is None:
        return Call("POST", "melodies", lambda response: None, json=wish)
    form, uploads = melody_form(wish), (Upload(follow),)
    return Call("POST", "melodies", lambda response: None, form=form, uploads=uploads)


def show(response: httpx.Response, file: BinaryIO) -> int:
    """Writes a piece as it comes; shows how far it is where somebody looks on.

    Returns its seed. Raises `OrfeonError`.
    """
    seed: int | None = None
    with _bar() as bar:
        task = bar.add_task("composing", total=1.0)
        for event in events(response):
            try:
                match event["type"]:
                    case "melody.created":
                        seed = int(event["seed"])
                    case "melody.progress":
                        bar.update(task, completed=float(event["progress"]))
                    case "melody.audio.delta":
                        file.write(base64.b64decode(event["audio"]))
                    case "melody.artifact":
                        file.write(base64.b64decode(event["data"]))
            except (LookupError, TypeError, ValueError) as error:
                raise unknown() from error
    if seed is None:
        raise unknown()
    return seed


def _whole(response: httpx.Response, file: BinaryIO) -> int:
    for piece in response.iter_bytes():
        file.write(piece)
    try:
        return int(response.headers["x-melody-seed"])
    except (KeyError, ValueError) as error:
        raise unknown() from error


def _bar() -> Progress:
    console = err()
    return Progress(
        TextColumn("{task.description}"),
        BarColumn(),
        TimeElapsedColumn(),
        console=console,
        disable=not console.is_terminal,
        transient=True,
    )
