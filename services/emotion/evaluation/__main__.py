"""Evaluates a classifier: `orfeon eval classifier`."""

import importlib.util
import sys
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from services.emotion.corpora import CorpusError, Labelling, Recording, read
from services.emotion.evaluation.errors import EvaluationError
from services.emotion.settings import EmotionSettings
from services.runtime.environment import settings_of
from services.runtime.errors import OrfeonError
from services.runtime.manifest import ManifestError

_NEEDED = ("matplotlib", "scipy", "sklearn")


def classifier(
    data: Annotated[
        list[Path] | None,
        typer.Option(help="Folder of clips, or table (.csv): path, label, speaker, split."),
    ] = None,
    model: Annotated[str, typer.Option(help="Which; default: the one that is served.")] = "",
    folds: Annotated[
        int,
        typer.Option(
            min=0, help="Fit the model's head anew, so many times, without those who are asked."
        ),
    ] = 0,
    test: Annotated[
        list[Path] | None,
        typer.Option(help="Fit the model's head anew on all of DATA, and ask it about this."),
    ] = None,
    output: Annotated[
        Path, typer.Option("--output", "-o", help="Folder for report.md, plots and metrics.json.")
    ] = Path("evaluation"),
    labels: Annotated[str, typer.Option(help="Those that are kept: happy,sad,...")] = "",
    drop: Annotated[str, typer.Option(help="Labels whose clips are left out: calm,...")] = "",
    merge: Annotated[str, typer.Option(help="What labels are to be called: calm=neutral,...")] = "",
    noise: Annotated[
        Path | None, typer.Option(help="Recordings to put behind the clips, a folder of each kind.")
    ] = None,
    voices: Annotated[
        Path | None, typer.Option(help="Folder of speech to make babble of; default: none.")
    ] = None,
    clips: Annotated[
        int, typer.Option(min=0, help="Clips under each condition; 0: no test of robustness.")
    ] = 120,
    cost: Annotated[bool, typer.Option(help="Measure time and memory.")] = True,
    fast: Annotated[bool, typer.Option("--fast", help="A few clips, to see that it runs.")] = False,
    seed: Annotated[int, typer.Option(min=0)] = 0,
    shipped: Annotated[
        Path | None,
        typer.Option(help="The report on what comes with Orfeón: a folder with all its data."),
    ] = None,
) -> None:
    """Tell how good a classifier is, and how it bears noise, lines and rooms: one report."""
    missing = [name for name in _NEEDED if importlib.util.find_spec(name) is None]
    if missing:
        raise EvaluationError(
            f"Evaluating needs {', '.join(missing)}: pip install 'orfeon[train]'."
        )
    if output.exists() and not output.is_dir():
        raise EvaluationError(f"{output} is a file; name a folder with --output.")
    console = Console(stderr=True)
    settings = settings_of(EmotionSettings)
    # Imported only now: they take seconds, and help and mistakes need none of them.
    if shipped is not None:
        from services.emotion.evaluation.shipped import shipped as of_shipped

        report = of_shipped(shipped, settings, console, fast=fast, seed=seed)
    else:
        from services.emotion.evaluation.plans import Sounding, Wish, evaluated

        labelling = Labelling.parse(merge, drop, labels)
        recordings, tested = _recordings(data or [], test or [], labelling)
        sounding = Sounding(noise, voices, clips)
        wish = Wish(model, recordings, tested, folds, sounding, cost, fast, seed)
        report = evaluated(wish, settings, console)
    from services.emotion.evaluation.report import PAGE, write

    write(report, output)
    typer.echo(output / PAGE)


def _recordings(
    data: list[Path], test: list[Path], labelling: Labelling
) -> tuple[list[Recording], list[Recording]]:
    """What `--data` and `--test` name, under their new labels."""
    if not data:
        raise EvaluationError("Name with --data a folder of clips, or a table of them.")
    recordings = [recording for path in data for recording in read(path)]
    tested = [recording for path in test for recording in read(path)]
    if not tested:
        return _several(labelling(recordings)), []
    known, asked = labelling.each(recordings, tested)
    return _several(known), _several(asked)


def _several(recordings: list[Recording]) -> list[Recording]:
    labels = {recording.label for recording in recordings}
    if len(labels) < 2:
        raise EvaluationError(
            f"All clips are labelled {', '.join(labels) or 'otherwise'}. Add some of another "
            "label: with one there is nothing to tell apart."
        )
    return recordings


def main(arguments: list[str] | None = None) -> None:
    """Runs the command and exits: 0, 1 for a failure, 2 for a misuse, 130 when interrupted."""
    app = typer.Typer(add_completion=False, pretty_exceptions_enable=False)
    app.command()(classifier)
    try:
        app(arguments, prog_name="orfeon eval classifier")
    except (CorpusError, EvaluationError) as error:
        _leave(str(error), 2)
    except (OrfeonError, ManifestError) as error:
        _leave(str(error), 1)
    except OSError as error:
        where = f"{error.filename}: " if error.filename else ""
        _leave(f"{where}{error.strerror or error}.", 1)


def _leave(sentence: str, code: int) -> None:
    sys.stderr.write(f"orfeon: {sentence}\n")
    sys.exit(code)


if __name__ == "__main__":
    main()
