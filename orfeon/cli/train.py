"""`orfeon train`: models of one's own. Each is trained by a program of its capability."""

import os
import sys

import typer

app = typer.Typer(no_args_is_help=True, help="Train models of your own.")

_AS_GIVEN = {"ignore_unknown_options": True, "allow_extra_args": True, "help_option_names": []}


@app.command(context_settings=_AS_GIVEN, add_help_option=False)
def lyrics(context: typer.Context) -> None:
    """Train a model on the lyrics of a genre."""
    _become("services.lyrics.training", context.args)


def _become(module: str, arguments: list[str]) -> None:
    """Goes on as that program, which gets signals and gives its exit code itself."""
    sys.stdout.flush()
    os.execv(sys.executable, [sys.executable, "-m", module, *arguments])
