"""Trains a model on the lyrics of a genre: `orfeon train lyrics`."""

import importlib.util
import re
import shutil
import sys
from dataclasses import replace
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console

from services.lyrics.__main__ import LYRICS
from services.lyrics.settings import LyricsSettings
from services.lyrics.training.errors import TrainingError
from services.lyrics.training.recipe import Method, Recipe, full, lora
from services.runtime.environment import settings_of
from services.runtime.registry import Registry

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*")
_NEEDED = ("gguf", "llama_cpp", "matplotlib", "peft", "pyarrow", "torch", "transformers")
_BASES: dict[Method, str] = {"full": "openai-community/gpt2-medium", "lora": "smollm2-135m-lyrics"}


def lyrics(
    data: Annotated[
        Path | None,
        typer.Argument(
            help="CSV or Parquet: title, tag, artist, lyrics, language.", metavar="DATA"
        ),
    ] = None,
    genre: Annotated[str, typer.Option(help="Songs with this tag are trained on.")] = "",
    language: Annotated[str, typer.Option(help='Songs in this language; "" for all.')] = "en",
    method: Annotated[
        Method, typer.Option(help="All weights, or a small adapter beside them.")
    ] = "full",
    base: Annotated[
        str, typer.Option(help="Model id, GGUF file, folder or Hugging Face repository.")
    ] = "",
    output: Annotated[
        Path | None, typer.Option("--output", "-o", help="Folder, called as the model shall be.")
    ] = None,
    steps: Annotated[int | None, typer.Option(help="Updates of the weights.")] = None,
    learning_rate: Annotated[float | None, typer.Option()] = None,
    batch: Annotated[int | None, typer.Option(help="Passages computed together.")] = None,
    accumulation: Annotated[int | None, typer.Option(help="Batches of one step.")] = None,
    eval_every: Annotated[int | None, typer.Option(help="Steps between checkpoints.")] = None,
    eval_passages: Annotated[
        int | None, typer.Option(help="Held-out passages read; 0: all.")
    ] = None,
    length: Annotated[int | None, typer.Option(help="Tokens of an example.")] = None,
    rank: Annotated[int | None, typer.Option(help="Of LoRA.")] = None,
    alpha: Annotated[int | None, typer.Option(help="Of LoRA.")] = None,
    prompt: Annotated[str | None, typer.Option(help="What the writer is told to be.")] = None,
    seed: Annotated[int | None, typer.Option()] = None,
    bf16: Annotated[bool | None, typer.Option(help="Compute in bfloat16.")] = None,
    licence: Annotated[str, typer.Option(help="Of what comes out. Default: the base's.")] = "",
    resume: Annotated[
        bool, typer.Option("--resume", help="Go on in OUTPUT; of the rest only --steps counts.")
    ] = False,
) -> None:
    """Train a model on the lyrics of a genre; the output is a folder to serve it from."""
    given: dict[str, Any] = {
        "steps": steps, "learning_rate": learning_rate, "batch": batch,
        "accumulation": accumulation, "eval_every": eval_every, "eval_passages": eval_passages,
        "length": length, "rank": rank, "alpha": alpha, "prompt": prompt, "seed": seed,
        "bf16": bf16,
    }  # fmt: skip
    changes = {name: value for name, value in given.items() if value is not None}
    home = settings_of(LyricsSettings).home
    if resume:
        if output is None:
            raise TrainingError("Say with --output which training to resume.")
        recipe = Recipe.load(output / "work" / "recipe.json")
        recipe = replace(recipe, steps=steps or recipe.steps)
    elif data is None or not genre:
        raise TrainingError("Name a table of songs, and with --genre the songs to take from it.")
    else:
        start = full if method == "full" else lora
        recipe = replace(
            start(str(data.absolute()), base or _BASES[method], genre, language), **changes
        )
    folder = (output or home / "models" / f"{genre}-{method}").absolute()
    _prepare(folder, recipe, resume=resume)
    missing = [name for name in _NEEDED if importlib.util.find_spec(name) is None]
    if missing:
        raise TrainingError(f"Training needs {', '.join(missing)}: pip install 'orfeon[train]'.")
    _train(recipe, folder, licence, Registry(home, [LYRICS.models], LYRICS.name))


def _prepare(folder: Path, recipe: Recipe, *, resume: bool) -> None:
    """Makes sure that nothing is lost by starting. Raises `TrainingError`."""
    if not _NAME.fullmatch(folder.name):
        raise TrainingError(
            f"The folder's name, '{folder.name}', becomes the model's: it takes letters, digits, "
            "'.', '_' and '-'."
        )
    done = (folder / "model.yaml").exists()
    if resume:
        if done and recipe.steps <= Recipe.load(folder / "work" / "recipe.json").steps:
            raise TrainingError(f"{folder} is trained; with more --steps it goes on.")
    elif done or any((folder / "work" / "checkpoints").glob("checkpoint-*")):
        raise TrainingError(f"{folder} holds a training; --resume it, or choose another --output.")
    else:
        shutil.rmtree(folder / "work", ignore_errors=True)


def _train(recipe: Recipe, folder: Path, licence: str, registry: Registry) -> None:
    # Imported only now: they take seconds, and help and mistakes need none of them.
    from services.lyrics.training.fitting import Interrupted
    from services.lyrics.training.run import train

    console = Console(stderr=True)
    try:
        train(recipe, folder, licence, registry, console)
    except Interrupted as stopped:
        console.print(f"Stopped after step {stopped.step}; go on with --resume -o {folder}")
        raise typer.Exit(130) from stopped
    typer.echo(f"{folder.name} is in {folder}")


def main(arguments: list[str] | None = None) -> None:
    """Runs the command and exits: 0, 1 for a failure, 2 for a misuse, 130 when interrupted."""
    app = typer.Typer(add_completion=False, pretty_exceptions_enable=False)
    app.command()(lyrics)
    try:
        app(arguments, prog_name="orfeon train lyrics")
    except TrainingError as error:
        sys.exit(f"orfeon: {error}")
    except OSError as error:
        where = f"{error.filename}: " if error.filename else ""
        sys.exit(f"orfeon: {where}{error.strerror or error}.")


if __name__ == "__main__":
    main()
