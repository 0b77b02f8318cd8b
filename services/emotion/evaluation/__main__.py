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
from services.runtime.errors import OrfeonError
from services.runtime.manifest import ManifestError

_NEEDED = ("matplotlib", "scipy", "sklearn")


def classifier(
    data: Annotated[
        list[Path],
        typer.Option(help="Folder of clips, or CSV: path, label, speaker, split. Several if need."),
    ],
    model: Annotated[str, typer.Option(help="Which; default: the one that is served.")] = "",
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
) -> None:
    """Tell how good a classifier is, and how it bears noise, lines and rooms: one report."""
    missing = [name for name in _NEEDED if importlib.util.find_spec(name) is None]
    if missing:
        raise EvaluationError(
            f"Evaluating needs {', '.join(missing)}: pip install 'orfeon[train]'."
        )
    labelling = Labelling.parse(merge, drop, labels)
    recordings = labelling([recording for path in data for recording in read(path)])
    _check(recordings, output)
    # Imported only now: they take seconds, and help and mistakes need none of them.
    from services.emotion.evaluation.plans import Sounding, Wish, as_served
    from services.emotion.evaluation.report import PAGE, write

    console = Console(stderr=True)
    wish = Wish(model, recordings, Sounding(noise, voices, clips), cost, fast, seed)
    write(as_served(wish, EmotionSettings(), console), output)
    typer.echo(output / PAGE)


def _check(recordings: list[Recording], output: Path) -> None:
    """What can be known before hours are spent. Raises `EvaluationError`."""
    if len({recording.label for recording in recordings}) < 2:
        raise EvaluationError(
            f"All clips are labelled {recordings[0].label}. Add some of another label: with one "
            "there is nothing to tell apart."
        )
    if output.exists() and not output.is_dir():
        raise EvaluationError(f"{output} is a file; name a folder with --output.")


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
