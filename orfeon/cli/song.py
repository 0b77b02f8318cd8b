"""`orfeon song`: from a title, or from a voice, to a song."""

import json
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, cast

import typer
from rich.console import Console
from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn

from orfeon import jobs
from orfeon.cli.options import (
    DEFAULT_HOME,
    ApiKey,
    AsJson,
    BaseUrl,
    Home,
    Priority,
    connected,
)
from orfeon.cli.output import complain, err, span
from orfeon.cli.writing import check_place, written
from orfeon.fault import Fault
from orfeon.jobs import Job, SongWish
from orfeon.resources import Jobs
from orfeon.transport import Transport

#: What a person is told of each step.
_STEPS = {
    "emotion": "listening",
    "lyrics": "writing",
    "melody": "composing",
    "vocals": "singing",
    "mix": "mixing",
}
_SONG = "song.mp3"


def song(
    genre: Annotated[str | None, typer.Option(help="rock, pop and so on.")] = None,
    title: Annotated[str | None, typer.Option(help="The song's title.")] = None,
    artist: Annotated[str | None, typer.Option(help="An artist or a manner to write in.")] = None,
    first_line: Annotated[str | None, typer.Option(help="Kept as it is.")] = None,
    theme: Annotated[str | None, typer.Option(help="What the song is about.")] = None,
    mood: Annotated[str | None, typer.Option(help="A label of emotion, such as 'sad'.")] = None,
    voice: Annotated[
        Path | None, typer.Option(help="A recording whose mood the song shall have.")
    ] = None,
    language: Annotated[str | None, typer.Option(help="One of the genre's, such as 'en'.")] = None,
    sections: Annotated[
        str | None, typer.Option(help="In order, such as 'verse,chorus,verse'.")
    ] = None,
    lines: Annotated[int | None, typer.Option(min=1, help="Lines of each section.")] = None,
    duration: Annotated[
        float | None, typer.Option(min=10, max=180, help="Seconds. Default: as the lyrics need.")
    ] = None,
    tempo: Annotated[
        float | None, typer.Option(min=40, max=240, help="Quarter notes per minute.")
    ] = None,
    key: Annotated[str | None, typer.Option(help="Such as 'C major' or 'F# minor'.")] = None,
    instrumental: Annotated[bool, typer.Option("--instrumental", help="No voice sings.")] = False,
    seed: Annotated[int | None, typer.Option(help="The same one gives the same song.")] = None,
    output: Annotated[
        Path | None, typer.Option("--output", "-o", help="The song as mp3. Default: song.mp3.")
    ] = None,
    everything: Annotated[
        Path | None, typer.Option("--all", help="A folder for every file of the song.")
    ] = None,
    priority: Priority = None,
    home: Home = DEFAULT_HOME,
    base_url: BaseUrl = None,
    api_key: ApiKey = None,
    as_json: AsJson = False,
) -> None:
    """Make a song: lyrics, music and a voice that sings. Ctrl-C cancels it."""
    options = {
        "genre": genre,
        "title": title,
        "artist": artist,
        "first_line": first_line,
        "theme": theme,
        "mood": mood,
        "language": language,
        "sections": [kind.strip() for kind in sections.split(",")] if sections else None,
        "lines": lines,
        "duration": duration,
        "tempo": tempo,
        "key": key,
        "instrumental": instrumental or None,
        "seed": seed,
        "priority": priority,
    }
    wish = cast(SongWish, {name: value for name, value in options.items() if value is not None})
    if output is None and everything is None:
        output = Path(_SONG)
    if output is not None:
        check_place(output)
    if everything is not None:
        everything.mkdir(parents=True, exist_ok=True)
    with connected(home, base_url, api_key) as gateway:
        accepted = gateway.send(jobs.create(wish, voice, None))
        done = _made(gateway, accepted)
        if done.status != "completed":
            raise Fault(done.error.message if done.error else "The song was cancelled.")
        fetch(gateway, done, output, everything)
        if as_json:
            typer.echo(json.dumps(gateway.send(jobs.shown(done.id))))
    err().print(f"seed {done.song.seed}", highlight=False)


def _made(gateway: Transport, accepted: Job) -> Job:
    """The job once it has ended; cancelled where somebody wants to wait no more."""
    try:
        return follow(Jobs(gateway).events(accepted.id), accepted, err())
    except KeyboardInterrupt:
        gateway.send(jobs.cancel(accepted.id))
        complain(f"The job {accepted.id} is cancelled.")
        raise typer.Exit(130) from None


def follow(states: Iterable[Job], job: Job, console: Console) -> Job:
    """Shows how far a job is while it is made, where somebody looks on; its last state."""
    with _bar(console) as bar:
        task = bar.add_task(said(job), total=1.0)
        for job in states:
            bar.update(task, completed=job.progress, description=said(job))
    return job


def said(job: Job) -> str:
    """What a person is told of a job that goes on."""
    left = job.estimated_seconds
    about = "" if left is None or job.ended else f", about {span(left)} left"
    if job.status == "queued":
        return f"waiting, number {job.queue_position or 1} in the queue{about}"
    return _STEPS[job.step] + about


def fetch(gateway: Transport, job: Job, output: Path | None, folder: Path | None) -> None:
    """Writes the song, and into a folder all there is of it."""
    targets: list[tuple[str, Path]] = []
    if output is not None:
        targets.append((_SONG, output))
    if folder is not None:
        # A name is a file in the folder, whatever a gateway says.
        targets += [(file.name, folder / Path(file.name).name) for file in job.artifacts]
    for name, path in targets:
        with gateway.stream(jobs.artifact(job.id, name)) as response, written(path) as file:
            for piece in response.iter_bytes():
                file.write(piece)


@contextmanager
def _bar(console: Console) -> Iterator[Progress]:
    columns = (TextColumn("{task.description}"), BarColumn(), TaskProgressColumn())
    with Progress(
        *columns, console=console, disable=not console.is_terminal, transient=True
    ) as bar:
        yield bar
