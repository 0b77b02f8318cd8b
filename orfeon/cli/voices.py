"""`orfeon classify`, `diarize` and `keywords`: what there is to hear in a recording."""

import json
from dataclasses import asdict, replace
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.text import Text

from orfeon import voicecalls
from orfeon.cli.bars import chart, strip
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
from orfeon.cli.output import complain, out, printable, sentence_of, table, write
from orfeon.errors import OrfeonError
from orfeon.fault import Fault
from orfeon.voices import Classification

Recording = Annotated[Path, typer.Argument(help="A recording, in any format that ffmpeg reads.")]


def classify(
    files: Annotated[list[Path], typer.Argument(help="Recordings.")],
    model: ModelName = None,
    timeline: Annotated[
        bool, typer.Option("--timeline", "-t", help="How each recording goes.")
    ] = False,
    speakers: Annotated[bool, typer.Option("--speakers", help="Each speaker's result.")] = False,
    top_k: Annotated[int | None, typer.Option(min=1, help="The best labels alone.")] = None,
    threshold: Annotated[
        float | None, typer.Option(min=0.0, max=1.0, help="Leave out labels below this.")
    ] = None,
    priority: Priority = None,
    home: Home = DEFAULT_HOME,
    base_url: BaseUrl = None,
    api_key: ApiKey = None,
    as_json: AsJson = False,
) -> None:
    """Tell the emotion in a voice. With --json, one object a line."""
    wish = {
        "model": model,
        "timeline": timeline or None,
        "speakers": speakers or None,
        "top_k": top_k,
        "threshold": threshold,
        "priority": priority,
    }
    failed = False
    with connected(home, base_url, api_key) as gateway:
        for file in files:
            try:
                found = gateway.send(voicecalls.classify(file, wish))
            except (OrfeonError, OSError) as error:
                failed = True
                named = isinstance(error, OSError) or len(files) == 1
                complain(sentence_of(error) if named else f"{file}: {sentence_of(error)}")
                continue
            _show(file, found, timeline=timeline, as_json=as_json)
    if failed:
        raise typer.Exit(1)


def diarize(
    file: Recording,
    count: Annotated[
        int | None, typer.Option("--num-speakers", "-n", min=1, help="Default: found out.")
    ] = None,
    known: Annotated[
        list[str],
        typer.Option("--known", metavar="NAME=FILE", help="A recording of a speaker by name."),
    ] = [],  # noqa: B006 (typer reads it)
    rttm: Annotated[bool, typer.Option("--rttm", help="Print NIST's RTTM.")] = False,
    model: ModelName = None,
    priority: Priority = None,
    home: Home = DEFAULT_HOME,
    base_url: BaseUrl = None,
    api_key: ApiKey = None,
    as_json: AsJson = False,
) -> None:
    """Tell who speaks when."""
    wish = {"model": model, "num_speakers": count, "priority": priority}
    call = voicecalls.diarize(file, _known(known), wish)
    with connected(home, base_url, api_key) as gateway:
        if rttm:
            form = {**call.form, "response_format": "rttm"}
            with gateway.stream(replace(call, form=form)) as response:
                write(response.read().decode())
            return
        found = gateway.send(call)
    if as_json:
        typer.echo(json.dumps(asdict(found)))
        return
    rows = table("speaker", "from", "to")
    for turn in found.turns:
        rows.add_row(printable(turn.speaker), f"{turn.start:.2f} s", f"{turn.end:.2f} s")
    out().print(rows, markup=False)


def keywords(
    file: Recording,
    words: Annotated[list[str], typer.Argument(help="Words and phrases to look for.")],
    language: Annotated[
        str | None, typer.Option(help="What is spoken, such as 'es'. Default: found out.")
    ] = None,
    threshold: Annotated[
        float | None,
        typer.Option(min=0.5, max=1.0, help="How alike spellings must be. Default: 0.8."),
    ] = None,
    model: ModelName = None,
    priority: Priority = None,
    home: Home = DEFAULT_HOME,
    base_url: BaseUrl = None,
    api_key: ApiKey = None,
    as_json: AsJson = False,
) -> None:
    """Find where words are said in a recording."""
    wish = {
        "model": model,
        "language": language,
        "threshold": threshold,
        "priority": priority,
    }
    with connected(home, base_url, api_key) as gateway:
        found = gateway.send(voicecalls.find_keywords(file, words, wish))
    if as_json:
        typer.echo(json.dumps([asdict(match) for match in found]))
        return
    rows = table("keyword", "from", "to", "heard as", "certain")
    for one in found:
        rows.add_row(
            printable(one.keyword),
            f"{one.start:.2f} s",
            f"{one.end:.2f} s",
            printable(one.text),
            f"{one.probability:.0%}",
        )
    out().print(rows, markup=False)


def _show(file: Path, found: Classification, *, timeline: bool, as_json: bool) -> None:
    if as_json:
        typer.echo(json.dumps({"file": str(file)} | asdict(found)))
        return
    write(chart(str(file), found))
    if timeline:
        drawn: Text = strip(found.timeline, found.duration)
        out().print(drawn, end="")


def _known(named: list[str]) -> dict[str, Any]:
    pairs = [one.partition("=") for one in named]
    if not all(name and file for name, _, file in pairs):
        raise Fault("--known takes a name and a file, such as --known Ana=ana.wav.")
    return {name: Path(file) for name, _, file in pairs}
