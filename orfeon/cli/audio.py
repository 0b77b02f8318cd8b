"""`orfeon transcribe` and `speak`: sound to words, words to sound."""

import sys
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from orfeon.calls import Call, Upload, fields
from orfeon.cli.options import (
    DEFAULT_HOME,
    ApiKey,
    BaseUrl,
    Home,
    ModelName,
    Priority,
    connected,
)
from orfeon.cli.output import write
from orfeon.cli.writing import written
from orfeon.fault import Fault


class TextFormat(StrEnum):
    """Shapes of a transcript."""

    TEXT = "text"
    JSON = "json"
    VERBOSE_JSON = "verbose_json"
    SRT = "srt"
    VTT = "vtt"


class SoundFormat(StrEnum):
    """Kinds of sound file."""

    MP3 = "mp3"
    OPUS = "opus"
    AAC = "aac"
    FLAC = "flac"
    WAV = "wav"
    PCM = "pcm"


_SUFFIXES = {f".{kind}": kind for kind in SoundFormat} | {".ogg": SoundFormat.OPUS}


def transcribe(
    file: Annotated[Path, typer.Argument(help="A recording, in any format that ffmpeg reads.")],
    text_format: Annotated[TextFormat, typer.Option("--format", "-f")] = TextFormat.TEXT,
    translate: Annotated[bool, typer.Option("--translate", help="Into English.")] = False,
    language: Annotated[
        str | None, typer.Option(help="What is spoken, such as 'es'. Default: found out.")
    ] = None,
    model: ModelName = None,
    priority: Priority = None,
    home: Home = DEFAULT_HOME,
    base_url: BaseUrl = None,
    api_key: ApiKey = None,
) -> None:
    """Write down what is said in a recording."""
    call: Call[str] = Call(
        "POST",
        "audio/translations" if translate else "audio/transcriptions",
        lambda response: response.text,
        form=fields(
            response_format=text_format,
            language=None if translate else language,
            model=model,
            priority=priority,
        ),
        uploads=(Upload(file),),
    )
    with connected(home, base_url, api_key) as gateway:
        text = gateway.send(call)
    write(text if text.endswith("\n") else f"{text}\n")


def speak(
    text: Annotated[str, typer.Argument(help="What to say; '-' reads it from stdin.")],
    output: Annotated[Path, typer.Option("--output", "-o", help="'-' writes to stdout.")],
    sound_format: Annotated[
        SoundFormat | None, typer.Option("--format", "-f", help="Default: by the file's name.")
    ] = None,
    voice: Annotated[str | None, typer.Option(help="A voice of GET /v1/audio/voices.")] = None,
    speed: Annotated[float | None, typer.Option(min=0.25, max=4.0)] = None,
    model: ModelName = None,
    priority: Priority = None,
    home: Home = DEFAULT_HOME,
    base_url: BaseUrl = None,
    api_key: ApiKey = None,
) -> None:
    """Say a text, into a file."""
    kind = sound_format or _SUFFIXES.get(output.suffix.lower())
    if kind is None:
        known = ", ".join(SoundFormat)
        raise Fault(f"The name {output} does not tell the format; add --format, one of {known}.")
    options = {"voice": voice, "speed": speed, "model": model, "priority": priority}
    body = {name: value for name, value in options.items() if value is not None} | {
        "input": sys.stdin.read() if text == "-" else text,
        "response_format": kind,
    }
    call: Call[None] = Call("POST", "audio/speech", lambda response: None, json=body)
    with (
        connected(home, base_url, api_key) as gateway,
        written(output) as file,
        gateway.stream(call) as response,
    ):
        for piece in response.iter_bytes():
            file.write(piece)
            file.flush()
