"""`orfeon cluster`: what a Kubernetes cluster has for Orfeón, and what of it runs there."""

import dataclasses
import json
import re
import time
from collections.abc import Mapping
from contextlib import nullcontext
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any

import typer
import yaml

from orfeon import calls
from orfeon.cli import cluster_tables, ps
from orfeon.cli import queue as queues
from orfeon.cli.options import DEFAULT_HOME, ApiKey, BaseUrl, Home, connected
from orfeon.cli.output import complain, one_sentence, out, sentence_of
from orfeon.cluster.api import connect
from orfeon.cluster.check import Check
from orfeon.cluster.check import check as check_cluster
from orfeon.cluster.forward import forwarded, gateway_pod
from orfeon.cluster.pods import Pod, read_pods
from orfeon.errors import OrfeonError
from orfeon.fault import Fault
from orfeon.types import Model, QueueEntry

app = typer.Typer(
    no_args_is_help=True, help="A Kubernetes cluster: what it has for Orfeón, and what runs there."
)

_HOST = re.compile(r"[a-z0-9]([a-z0-9.-]{0,251}[a-z0-9])?")
#: Not everything is there, or ready; and the cluster cannot be asked at all.
NOT_READY, NOT_KNOWN = 1, 2


class Form(StrEnum):
    """How something is printed."""

    TEXT = "text"
    JSON = "json"


Kubeconfig = Annotated[
    str | None,
    typer.Option(envvar="KUBECONFIG", help="Default: ~/.kube/config."),
]
Context = Annotated[
    str | None, typer.Option("--context", help="Of the kubeconfig. Default: its current one.")
]
Namespace = Annotated[str | None, typer.Option("--namespace", "-n", help="Default: the context's.")]
Output = Annotated[Form, typer.Option("--output", "-o", help="How it is printed.")]


@app.command()
@one_sentence
def check(
    values: Annotated[
        Path | None, typer.Option("--values", "-f", help="Values that you mean to install.")
    ] = None,
    host: Annotated[str, typer.Option(help="The name that clients shall ask for.")] = "",
    write: Annotated[
        Path | None, typer.Option("--write", help="Where the values to install are written.")
    ] = None,
    namespace: Namespace = None,
    kubeconfig: Kubeconfig = None,
    context: Context = None,
    output: Output = Form.TEXT,
) -> None:
    """Say what a cluster has and lacks, and which values of the chart to set.

    Ends with 0 where nothing is missing, with 1 where something is, with 2 where the cluster
    cannot be asked.
    """
    try:
        given = _read(values) if values else {}
        if host and not _HOST.fullmatch(host):
            raise Fault(f"{host!r} is no name of a host: give one such as orfeon.example.com.")
        if write is not None and write.exists():
            raise Fault(f"{write} is there already: remove it, or write to another file.")
        found = check_cluster(connect(kubeconfig, context, namespace), given, host)
    except Fault as fault:
        raise _unknown(fault) from fault
    text = yaml.safe_dump(found.values, sort_keys=False, allow_unicode=True)
    if write is not None:
        write.write_text(text, "utf-8")
    if output is Form.JSON:
        typer.echo(json.dumps(_facts_of(found)))
    else:
        if found.facts.nodes:
            out().print(cluster_tables.nodes(found.facts.nodes), markup=False)
            typer.echo()
        out().print(cluster_tables.findings(found.findings), markup=False)
        typer.echo(f"\nValues, in {write}:" if write else "\nValues (--write FILE keeps them):")
        typer.echo(text, nl=False)
    if not found.is_ready:
        raise typer.Exit(NOT_READY)


@app.command()
@one_sentence
def status(
    release: Annotated[str | None, typer.Option(help="Where there are several.")] = None,
    namespace: Namespace = None,
    kubeconfig: Kubeconfig = None,
    context: Context = None,
    output: Output = Form.TEXT,
    home: Home = DEFAULT_HOME,
    base_url: BaseUrl = None,
    api_key: ApiKey = None,
) -> None:
    """Show what runs where; with an admin key, what waits and which models are in memory.

    Ends with 0 where all pods are ready, with 1 where some are not, with 2 where the cluster
    cannot be asked.
    """
    try:
        api = connect(kubeconfig, context, namespace)
        pods = read_pods(api, release)
    except Fault as fault:
        raise _unknown(fault) from fault
    models: list[Model] | None = None
    entries: list[QueueEntry] | None = None
    untold = "an admin key (--api-key) shows queue and models too"
    if api_key or base_url:
        try:
            way = nullcontext(base_url) if base_url else forwarded(api, gateway_pod(pods).name)
            with way as address, connected(home, address, api_key, timeout=30.0) as gateway:
                models = [each for each in gateway.send(calls.models()) if _is_active(each)]
                entries = gateway.send(calls.queue())
        except (Fault, OrfeonError) as error:
            untold = sentence_of(error)
    if output is Form.JSON:
        typer.echo(json.dumps({
            "pods": [dataclasses.asdict(pod) for pod in pods],
            "models": models and [dataclasses.asdict(each) for each in models],
            "queue": entries and queue_depth(entries),
        }))  # fmt: skip
    else:
        _show(pods, models, entries)
    if models is None or entries is None:
        complain(untold)
    if not all(pod.ready for pod in pods):
        raise typer.Exit(NOT_READY)


def queue_depth(entries: list[QueueEntry]) -> list[dict[str, Any]]:
    """Requests by capability and level: how many run, how many wait."""
    depth: dict[tuple[str, int], dict[str, int]] = {}
    for entry in entries:
        counts = depth.setdefault((entry.capability, entry.priority), {"running": 0, "queued": 0})
        counts["queued" if entry.state == "queued" else "running"] += 1
    return [{"capability": c, "priority": p, **counts} for (c, p), counts in sorted(depth.items())]


def _show(pods: list[Pod], models: list[Model] | None, entries: list[QueueEntry] | None) -> None:
    console = out()
    console.print(cluster_tables.pods(pods), markup=False)
    if models is not None:
        console.print()
        console.print(ps.shown(models, time.time()), markup=False)
    if entries is not None:
        console.print()
        console.print(queues.shown(entries), markup=False)


def _read(path: Path) -> Mapping[str, Any]:
    try:
        values = yaml.safe_load(path.read_text("utf-8"))
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise Fault(f"{path} is no YAML: {' '.join(str(error).split())}.") from error
    except OSError as error:
        raise Fault(f"{path} cannot be read: {error.strerror}.") from error
    if values is not None and not isinstance(values, dict):
        raise Fault(f"{path} holds no values: it has to be a mapping, as the chart's values.yaml.")
    return values or {}


def _facts_of(found: Check) -> dict[str, Any]:
    facts = found.facts
    return {
        "context": facts.context,
        "server": facts.server,
        "namespace": facts.namespace,
        "version": facts.version,
        "ready": found.is_ready,
        "nodes": facts.nodes and [dataclasses.asdict(node) for node in facts.nodes],
        "findings": [dataclasses.asdict(finding) for finding in found.findings],
        "values": found.values,
    }


def _is_active(model: Model) -> bool:
    return model.state not in ("unloaded", "unknown") and model.base is None


def _unknown(fault: Fault) -> typer.Exit:
    complain(str(fault))
    return typer.Exit(NOT_KNOWN)
