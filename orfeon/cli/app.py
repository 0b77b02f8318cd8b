"""All commands, put together."""

from typing import Annotated

import typer

from orfeon import __version__
from orfeon.cli import cluster, evaluate, jobs, keys, models, train
from orfeon.cli.audio import speak, transcribe
from orfeon.cli.chat import chat
from orfeon.cli.image import image
from orfeon.cli.listen import listen
from orfeon.cli.lyrics import lyrics
from orfeon.cli.melody import melody
from orfeon.cli.output import one_sentence
from orfeon.cli.ps import ps
from orfeon.cli.queue import queue
from orfeon.cli.serve import serve
from orfeon.cli.song import song
from orfeon.cli.usage import usage
from orfeon.cli.voices import classify, diarize, keywords

app = typer.Typer(
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    help="Orfeón: voice and music AI on your own machines.",
)
for command in (
    serve, chat, lyrics, melody, song, image, transcribe, speak, classify, listen, diarize,
    keywords, ps, queue, usage,
):  # fmt: skip
    app.command()(one_sentence(command))
app.add_typer(jobs.app, name="jobs")
app.add_typer(models.app, name="models")
app.add_typer(keys.app, name="keys")
app.add_typer(train.app, name="train")
app.add_typer(evaluate.app, name="eval")
app.add_typer(cluster.app, name="cluster")


def _version(wanted: bool) -> None:
    if wanted:
        typer.echo(__version__)
        raise typer.Exit


@app.callback()
def orfeon(
    _version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Print the version.")
    ] = False,
) -> None:
    """Orfeón: voice and music AI on your own machines."""
