"""Trains a classifier of sound: `orfeon train classifier`."""

import importlib.util
import re
import signal
import sys
from contextlib import suppress
from dataclasses import fields
from pathlib import Path
from types import FrameType
from typing import Annotated, Any

import typer
from rich.console import Console

from services.emotion.__main__ import EMOTION
from services.emotion.corpora import CorpusError, Labelling
from services.emotion.settings import EmotionSettings
from services.emotion.training.errors import Interrupted, Misuse, TrainingError
from services.emotion.training.events import Events
from services.emotion.training.recipe import BASES, Freeze, Method, Metric, Recipe, Split
from services.runtime.environment import settings_of
from services.runtime.registry import Registry

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*")
_NEEDED: dict[Method, tuple[str, ...]] = {
    "full": ("accelerate", "matplotlib", "sklearn", "tensorboardX", "torch", "transformers"),
    "head": ("matplotlib", "scipy", "sklearn", "threadpoolctl"),
}


def classifier(
    data: Annotated[
        str, typer.Option(help="Folder, table (.csv), or data set of a Hugging Face hub.")
    ] = "",
    labels: Annotated[
        str, typer.Option(help="Those that the data must have, and no others: happy,sad,...")
    ] = "",
    drop: Annotated[str, typer.Option(help="Labels whose clips are left out: calm,...")] = "",
    merge: Annotated[str, typer.Option(help="What labels are to be called: calm=neutral,...")] = "",
    classifies: Annotated[str | None, typer.Option(help="What the labels tell.")] = None,
    speech: Annotated[
        bool | None, typer.Option(help="Whether people speak in it: else any sound is told.")
    ] = None,
    method: Annotated[
        Method, typer.Option(help="A whole network, or a small head on an encoder that stays.")
    ] = "full",
    base: Annotated[str, typer.Option(help="Model id, folder or Hugging Face repository.")] = "",
    output: Annotated[
        Path | None, typer.Option("--output", "-o", help="Folder, called as the model shall be.")
    ] = None,
    work: Annotated[Path | None, typer.Option(help="Folder for checkpoints and logs.")] = None,
    split: Annotated[
        Split | None, typer.Option(help="What is held out: speakers, or any clips.")
    ] = None,
    held_out: Annotated[
        float | None, typer.Option(help="Share to choose by, and as much again to test with.")
    ] = None,
    seconds: Annotated[float | None, typer.Option(help="Length of a crop.")] = None,
    learning_rate: Annotated[float | None, typer.Option()] = None,
    batch: Annotated[int | None, typer.Option(help="Clips computed together.")] = None,
    accumulation: Annotated[int | None, typer.Option(help="Batches of one step.")] = None,
    epochs: Annotated[float | None, typer.Option()] = None,
    warmup: Annotated[float | None, typer.Option(help="Share of the steps.")] = None,
    weight_decay: Annotated[float | None, typer.Option()] = None,
    metric: Annotated[
        Metric | None, typer.Option(help="What the best checkpoint is chosen by.")
    ] = None,
    class_weights: Annotated[
        bool | None, typer.Option(help="Whether clips of rare labels count more.")
    ] = None,
    freeze: Annotated[
        Freeze | None, typer.Option(help="What stays: none, features or the whole encoder.")
    ] = None,
    augment: Annotated[
        bool | None, typer.Option(help="Noise, rooms, gain, speed and codecs in training.")
    ] = None,
    noise: Annotated[
        str | None, typer.Option(help="Folder of recorded noise to augment with.")
    ] = None,
    copies: Annotated[
        int | None, typer.Option(help="Augmented copies of a clip, for a head.")
    ] = None,
    checkpoint_every: Annotated[int | None, typer.Option(help="Steps; 0 for every epoch.")] = None,
    seed: Annotated[int | None, typer.Option()] = None,
    fp16: Annotated[bool | None, typer.Option(help="16 bits on a GPU.")] = None,
    licence: Annotated[
        str, typer.Option(help="Of what comes out, where data and base allow.")
    ] = "",
    commercial_use: Annotated[
        bool | None, typer.Option(help="Whether it may be used commercially.")
    ] = None,
    events: Annotated[
        Path | None, typer.Option(help="File that JSON lines on the progress are appended to.")
    ] = None,
    resume: Annotated[
        bool, typer.Option("--resume", help="Go on in OUTPUT, with the options it began with.")
    ] = False,
) -> None:
    """Train a classifier of recordings; the output is a folder to serve it from."""
    if events is not None and not events.absolute().parent.is_dir():
        raise Misuse(f"--events: there is no folder {events.parent} to write {events.name} into.")
    told = Events(events)
    try:
        given = {
            "method": method, "data": data, "base": _anchored(base or BASES[method]),
            "classifies": classifies, "speech": speech, "labels": _words(labels),
            "drop": _words(drop), "merge": _renamed(merge), "split": split,
            "held_out": held_out, "seconds": seconds,
            "learning_rate": learning_rate, "batch": batch, "accumulation": accumulation,
            "epochs": epochs, "warmup": warmup, "weight_decay": weight_decay, "metric": metric,
            "class_weights": class_weights, "freeze": freeze, "augment": augment,
            "noise": noise and _anchored(noise),
            "copies": copies, "checkpoint_every": checkpoint_every, "seed": seed, "fp16": fp16,
            "licence": licence, "commercial_use": commercial_use,
        }  # fmt: skip
        _started(given, output, work, told, resume=resume)
    except (TrainingError, OSError) as error:
        # On a full disk there is no telling either.
        with suppress(OSError):
            told.message(_sentence(error), "error")
        raise
    except Interrupted as stopped:
        text = f"Stopped after step {stopped.step}; --resume goes on."
        told.message(text)
        typer.echo(text, err=True)
        raise typer.Exit(130) from stopped
    except KeyboardInterrupt as stopped:
        text = (
            "Stopped. What was reached before stays; --resume goes on where there is a checkpoint."
        )
        told.message(text)
        typer.echo(text, err=True)
        raise typer.Exit(130) from stopped


def _started(
    given: dict[str, Any],
    output: Path | None,
    work: Path | None,
    events: Events,
    *,
    resume: bool,
) -> None:
    home = settings_of(EmotionSettings).home
    folder = (output or home / "models" / _default_name(given)).absolute()
    work = (work or home / "training" / "runs" / folder.name).absolute()
    if resume:
        recipe = Recipe.load(work / "recipe.json")
    elif not given["data"]:
        raise Misuse("Name with --data a folder of clips, a table, or a data set of a hub.")
    else:
        recipe = _recipe(given)
    _check(folder, work, resume=resume)
    missing = [name for name in _NEEDED[recipe.method] if importlib.util.find_spec(name) is None]
    if missing:
        raise TrainingError(f"Training needs {', '.join(missing)}: pip install 'orfeon[train]'.")
    # Imported only now: they take seconds, and help and mistakes need none of them.
    from services.emotion.training.run import train

    registry = Registry(home, [EMOTION.models], EMOTION.name)
    train(recipe, folder, work, registry, events, Console(stderr=True), resume=resume)
    typer.echo(f"{folder.name} is in {folder}")


def _recipe(given: dict[str, Any]) -> Recipe:
    known = {field.name for field in fields(Recipe)}
    return Recipe(**{
        name: value for name, value in given.items() if value is not None and name in known
    })  # fmt: skip


def _check(folder: Path, work: Path, *, resume: bool) -> None:
    """Makes sure that nothing is lost by starting. Raises `Misuse`."""
    if not _NAME.fullmatch(folder.name):
        raise Misuse(
            f"The folder's name, '{folder.name}', becomes the model's: it takes letters, digits, "
            "'.', '_' and '-'."
        )
    if folder.exists():
        raise Misuse(f"{folder} is there already; choose another --output, or remove it.")
    if not resume and any(any((work / each).glob("*")) for each in ("checkpoints", "features")):
        raise Misuse(f"{work} holds a training; --resume it, or choose another --work.")


def _default_name(given: dict[str, Any]) -> str:
    base = Path(given["base"]).name
    return re.sub(r"[^A-Za-z0-9._-]+", "-", f"{given['classifies'] or 'emotion'}-{base}")


def _anchored(name: str) -> str:
    """A folder from the root on, so that a training may be resumed from elsewhere."""
    path = Path(name).expanduser()
    return str(path.absolute()) if path.is_dir() else name


def _words(text: str) -> tuple[str, ...]:
    return tuple(filter(None, (word.strip() for word in text.split(","))))


def _renamed(text: str) -> tuple[tuple[str, str], ...]:
    try:
        return tuple(Labelling.parse(text).names.items())
    except CorpusError as error:
        raise Misuse(str(error)) from error


def _interrupt(_number: int, _frame: FrameType | None) -> None:
    raise KeyboardInterrupt


def _sentence(error: TrainingError | OSError) -> str:
    if not isinstance(error, OSError):
        return str(error)
    where = f"{error.filename}: " if error.filename else ""
    return f"{where}{error.strerror or error}."


def main(arguments: list[str] | None = None) -> None:
    """Runs the command and exits: 0, 1 for a failure, 2 for a misuse, 130 when interrupted."""
    app = typer.Typer(add_completion=False, pretty_exceptions_enable=False)
    app.command()(classifier)
    before = signal.signal(signal.SIGTERM, _interrupt)
    try:
        app(arguments, prog_name="orfeon train classifier")
    except (TrainingError, OSError) as error:
        typer.echo(f"orfeon: {_sentence(error)}", err=True)
        sys.exit(2 if isinstance(error, Misuse) else 1)
    finally:
        signal.signal(signal.SIGTERM, before)


if __name__ == "__main__":
    main()
