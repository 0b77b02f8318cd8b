"""`orfeon train`: models of one's own. Each is trained by a program of its capability."""

import typer

from orfeon.cli.program import AS_GIVEN, become

app = typer.Typer(no_args_is_help=True, help="Train models of your own.")


@app.command(context_settings=AS_GIVEN, add_help_option=False)
def lyrics(context: typer.Context) -> None:
    """Train a model on the lyrics of a genre."""
    become("services.lyrics.training", context.args)


@app.command(context_settings=AS_GIVEN, add_help_option=False)
def classifier(context: typer.Context) -> None:
    """Train a classifier of recordings: of emotion, or of anything that they are labelled with."""
    become("services.emotion.training", context.args)
