"""`orfeon models`: what there is, what is on this machine, what is to be in memory."""

import json
from pathlib import Path
from typing import Annotated, Any

import typer
import yaml

from orfeon.calls import unload_model as unload_call
from orfeon.capabilities import known_capabilities, model_folders
from orfeon.cli.exporting import export as export_model
from orfeon.cli.exporting import name_of
from orfeon.cli.loading import load as load_model
from orfeon.cli.options import DEFAULT_HOME, ApiKey, AsJson, BaseUrl, Home, absolute, connected
from orfeon.cli.output import complain, err, one_sentence, out, size, table
from orfeon.cli.pulling import place
from orfeon.cli.pulling import pull as pull_model
from orfeon.serve.triton import REPOSITORY
from services.runtime.manifest import TRITON_MODEL, Manifest, PackageSource
from services.runtime.registry import Registry

app = typer.Typer(no_args_is_help=True, help="Models: fetch, list, load, remove.")

Name = Annotated[str, typer.Argument(help="Model id or alias.")]
Pin = Annotated[
    bool | None,
    typer.Option("--pin/--no-pin", help="Keep it in memory from now on, idle or not; or no more."),
]


def open_registry(home: Path) -> Registry:
    """Every model that there is. What is wrong with a user's own is said on stderr."""
    registry = Registry(absolute(home), model_folders(known_capabilities()))
    for fault in registry.broken:
        complain(f"left out {fault}")
    return registry


@app.command()
@one_sentence
def pull(
    names: Annotated[
        list[str] | None, typer.Argument(help="Models. Default: those that answer by default.")
    ] = None,
    folder: Annotated[
        Path | None,
        typer.Option("--from", help="Folder of <model>.yaml files: adds and fetches these."),
    ] = None,
    home: Home = DEFAULT_HOME,
) -> None:
    """Fetch models and verify their checksums."""
    added = place(absolute(home), absolute(folder)) if folder else []
    registry = open_registry(home)
    chosen = [registry.get(name) for name in names or added]
    for manifest in chosen or registry.defaults():
        pull_model(registry, manifest, err())
        typer.echo(f"{manifest.name} is on this machine.")


@app.command("ls")
@one_sentence
def list_models(home: Home = DEFAULT_HOME, as_json: AsJson = False) -> None:
    """List every model, fetched or not."""
    registry = open_registry(home)
    rows = [_row(registry, manifest) for manifest in registry.list()]
    if as_json:
        typer.echo(json.dumps(rows))
        return
    shown = table("name", "capability", "tasks", "default", "size", "here", "licence")
    for row in rows:
        shown.add_row(
            row["name"], row["capability"], " ".join(row["tasks"]), _yes(row["default"]),
            size(row["size"]) if row["size"] else "-", _yes(row["pulled"]), row["licence"],
        )  # fmt: skip
    out().print(shown, markup=False)


@app.command()
@one_sentence
def load(
    name: Name,
    pin: Pin = None,
    home: Home = DEFAULT_HOME,
    base_url: BaseUrl = None,
    api_key: ApiKey = None,
) -> None:
    """Load a model into memory and wait until it is there. Needs an admin key."""
    with connected(home, base_url, api_key) as gateway:
        model = load_model(gateway, name, pin, err())
    kept = ", pinned" if model.pinned else ""
    typer.echo(f"{model.id}: {size(model.resident_bytes)} on {model.device or 'cpu'}{kept}.")


@app.command()
@one_sentence
def unload(
    name: Name, home: Home = DEFAULT_HOME, base_url: BaseUrl = None, api_key: ApiKey = None
) -> None:
    """Unload a model and wait until its memory is free. Needs an admin key."""
    with connected(home, base_url, api_key) as gateway:
        model = gateway.send(unload_call(name))
    typer.echo(f"{model.id} is {model.state}.")


@app.command()
@one_sentence
def show(name: Name, home: Home = DEFAULT_HOME, as_json: AsJson = False) -> None:
    """Show what a model's folder says of it."""
    registry = open_registry(home)
    manifest = registry.get(name)
    facts = manifest.model_dump(mode="json", exclude_defaults=True)
    facts["pulled"] = registry.is_pulled(manifest)
    if as_json:
        typer.echo(json.dumps(facts))
    else:
        typer.echo(yaml.safe_dump(facts, sort_keys=False, allow_unicode=True), nl=False)


@app.command()
@one_sentence
def export(
    name: Name,
    as_name: Annotated[
        str | None, typer.Option("--name", help="What it is called on the server.")
    ] = None,
    repository: Annotated[
        Path, typer.Option(help="Where the folders are that it is made of.")
    ] = REPOSITORY,
    to: Annotated[
        Path | None, typer.Option(help="Where its folder is put. Default: into the repository.")
    ] = None,
    replace: Annotated[
        bool, typer.Option("--replace", help="Overwrite a folder of that name.")
    ] = False,
    home: Home = DEFAULT_HOME,
) -> None:
    """Make a model's folder for a Triton server, with its ONNX file where it needs one."""
    registry = open_registry(home)
    manifest = registry.get(name)
    called = as_name or name_of(manifest)
    folder = export_model(
        registry, absolute(home), manifest, called,
        repository=absolute(repository), to=absolute(to or repository), replace=replace,
    )  # fmt: skip
    typer.echo(f"{manifest.name} is in {folder}.")
    if manifest.options.get(TRITON_MODEL) != called:
        typer.echo(f"For it to be used, say in its model.yaml: options: {{triton_model: {called}}}")


@app.command()
@one_sentence
def rm(name: Name, home: Home = DEFAULT_HOME) -> None:
    """Remove a model's fetched files from this machine."""
    registry = open_registry(home)
    manifest = registry.get(name)
    typer.echo(f"{manifest.name}: {size(registry.remove(manifest))} freed.")
    for package in sorted(_packages(manifest)):
        complain(f"the package {package} stays installed; remove it with: pip uninstall {package}")


def _packages(manifest: Manifest) -> set[str]:
    return {
        source.package.partition("==")[0]
        for file in manifest.files.values()
        for source in file.sources
        if isinstance(source, PackageSource)
    }


def _yes(is_so: bool) -> str:
    return "yes" if is_so else "no"


def _row(registry: Registry, manifest: Manifest) -> dict[str, Any]:
    return {
        "name": manifest.name,
        "capability": manifest.capability,
        "tasks": manifest.tasks,
        "default": manifest.default,
        "size": sum(file.size or 0 for file in manifest.files.values()),
        "pulled": registry.is_pulled(manifest),
        "licence": manifest.licence,
    }
