"""`orfeon eval`: how good models are. Each kind is evaluated by a program of its capability."""

import typer

from orfeon.cli.program import AS_GIVEN, become

app = typer.Typer(no_args_is_help=True, help="Tell how good models are.")


@app.callback()
def evaluate() -> None:
    """Tell how good models are."""


@app.command(context_settings=AS_GIVEN, add_help_option=False)
def classifier(context: typer.Context) -> None:
    """Evaluate a classifier of speech on recordings: one report."""
    become("services.emotion.evaluation", context.args)
