"""`orfeon transcribe`, `speak` and `classify`: sound to words, words to sound, sound to mood."""

import json
import sys
from dataclasses import asdict
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from orfeon import calls
from orfeon.calls import Call, Upload, fields
from orfeon.cli.options import (
    DEFAULT_HOME,
    ApiKey,
    AsJson,
    BaseUrl,
    Home,
    ModelName,
    Priority,
    connected,
)
from orfeon.cli.output import complain, printable, sentence_of, write
from orfeon.cli.writing import written
from orfeon.errors import OrfeonError
from orfeon.fault import Fault
from orfeon.types import Classification

_BAR = 30


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
        upload=Upload(file),
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


def classify(
    files: Annotated[list[Path], typer.Argument(help="Recordings.")],
    model: ModelName = None,
    priority: Priority = None,
    home: Home = DEFAULT_HOME,
    base_url: BaseUrl = None,
    api_key: ApiKey = None,
    as_json: AsJson = False,
) -> None:
    """Tell the emotion in a voice. With --json, one object a line."""
    failed = False
    with connected(home, base_url, api_key) as gateway:
        for file in files:
            try:
                found = gateway.send(calls.classify(file, model, priority))
            except (OrfeonError, OSError) as error:
                failed = True
                named = isinstance(error, OSError) or len(files) == 1
                complain(sentence_of(error) if named else f"{file}: {sentence_of(error)}")
                continue
            if as_json:
                typer.echo(json.dumps({"file": str(file)} | asdict(found)))
            else:
                write(chart(str(file), found))
    if failed:
        raise typer.Exit(1)


def chart(title: str, found: Classification) -> str:
    """The scores as bars, best first."""
    width = max(len(row.label) for row in found.labels)
    bars = (
        f"  {row.label:<{width}} {'█' * round(row.score * _BAR):<{_BAR}} {row.score:6.1%}"
        for row in found.labels
    )
    return printable("\n".join([f"{title} ({found.duration:.1f} s, {found.model})", *bars])) + "\n"
