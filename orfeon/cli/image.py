"""`orfeon image`: pictures from words, into files."""

import base64
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any

import httpx
import typer
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn

from orfeon.calls import Call
from orfeon.cli.options import (
    DEFAULT_HOME,
    ApiKey,
    BaseUrl,
    Home,
    ModelName,
    Priority,
    connected,
)
from orfeon.cli.output import err
from orfeon.cli.writing import check_place, written
from orfeon.events import events, unknown
from orfeon.fault import Fault
from orfeon.images import MadeImage, edit, generation

_FORMATS = {".png": "png", ".jpg": "jpeg", ".jpeg": "jpeg", ".webp": "webp"}


def image(
    prompt: Annotated[str, typer.Argument(help="What is to be seen.")],
    output: Annotated[
        Path,
        typer.Option(
            "--output",
            "-o",
            help=f"Its name tells the format: {', '.join(_FORMATS)}. Several images are numbered.",
        ),
    ],
    n: Annotated[int, typer.Option("--n", min=1, max=10, help="How many.")] = 1,
    size: Annotated[str | None, typer.Option(help="Such as 512x512.")] = None,
    quality: Annotated[str | None, typer.Option(help="low, medium or high.")] = None,
    steps: Annotated[int | None, typer.Option(min=1, max=150, help="Instead of quality.")] = None,
    guidance: Annotated[
        float | None, typer.Option(min=0, max=30, help="How strictly to keep to the prompt.")
    ] = None,
    without: Annotated[str | None, typer.Option(help="What is not to be seen.")] = None,
    style: Annotated[str | None, typer.Option(help="One that the model knows.")] = None,
    start: Annotated[Path | None, typer.Option(help="A picture to change.")] = None,
    mask: Annotated[
        Path | None, typer.Option(help="Transparent where that picture is to change.")
    ] = None,
    strength: Annotated[
        float | None, typer.Option(min=0, max=1, help="How far to go from that picture.")
    ] = None,
    seed: Annotated[int | None, typer.Option(min=0, help="The same gives the same image.")] = None,
    model: ModelName = None,
    priority: Priority = None,
    home: Home = DEFAULT_HOME,
    base_url: BaseUrl = None,
    api_key: ApiKey = None,
) -> None:
    """Make a picture. The seed, said at the end, gives the same one again."""
    output_format = _FORMATS.get(output.suffix.lower())
    if output_format is None:
        raise Fault(f"The name {output} does not tell the format; end it in {', '.join(_FORMATS)}.")
    if start is None and (mask is not None or strength is not None):
        raise Fault("There is no picture to change; name one with --start.")
    check_place(output)
    options = {
        "n": n,
        "size": size,
        "quality": quality,
        "steps": steps,
        "guidance": guidance,
        "negative_prompt": without,
        "style": style,
        "strength": strength,
        "seed": seed,
        "model": model,
        "priority": priority,
        "output_format": output_format,
        "stream": True,
        "progress": True,
    }
    wish = {name: value for name, value in options.items() if value is not None}
    call = _call(prompt, start, mask, wish)
    with connected(home, base_url, api_key) as gateway, gateway.stream(call) as response:
        seeds = show(response, output, n)
    told = f"seed {seeds[0]}" if n == 1 else f"seeds {seeds[0]} to {seeds[-1]}"
    err().print(told, highlight=False)


def _call(
    prompt: str, start: Path | None, mask: Path | None, wish: dict[str, Any]
) -> Call[list[MadeImage]]:
    if start is None:
        return generation(prompt, wish)
    return edit(start, prompt, mask, wish)


def show(response: httpx.Response, output: Path, count: int) -> list[int]:
    """Writes images as they come; shows how far they are where somebody looks on.

    Returns their seeds. Raises `OrfeonError`.
    """
    seeds: list[int] = []
    with _bar() as bar:
        task = bar.add_task("painting", total=float(count))
        for event in events(response):
            made = _read(event)
            if isinstance(made, float):
                bar.update(task, completed=made)
            elif made is not None:
                seed, data = made
                seeds.append(seed)
                with written(place(output, len(seeds), count)) as file:
                    file.write(data)
    if len(seeds) != count:
        raise unknown()
    return seeds


def _read(event: Mapping[str, Any]) -> float | tuple[int, bytes] | None:
    """How many images are made, parts of them too; or one that is, with its seed."""
    try:
        match str(event["type"]).rpartition(".")[2]:
            case "progress":
                return int(event["index"]) + int(event["step"]) / int(event["steps"])
            case "completed":
                return int(event["seed"]), base64.b64decode(event["b64_json"])
    except (LookupError, TypeError, ValueError, ArithmeticError) as error:
        raise unknown() from error
    return None


def place(output: Path, number: int, count: int) -> Path:
    """Where an image of several goes: `cat.png`, or `cat-1.png` and so on."""
    return output if count == 1 else output.with_stem(f"{output.stem}-{number}")


def _bar() -> Progress:
    console = err()
    return Progress(
        TextColumn("{task.description}"),
        BarColumn(),
        TimeElapsedColumn(),
        console=console,
        disable=not console.is_terminal,
        transient=True,
    )
