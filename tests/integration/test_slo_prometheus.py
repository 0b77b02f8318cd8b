"""A real Prometheus scrapes the product, Triton and Traefik: no rule and no panel is empty."""

import asyncio
import re
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

import httpx
import numpy as np
import pytest
import yaml

from bench.traffic import ASKED, LEVELS, PAGES, traffic
from orfeon.access import Access, read_access
from orfeon.capabilities import ARBITER, STUDIO, known_capabilities
from orfeon.serve.plan import TRITON
from orfeon.slo.dashboards import DASHBOARDS
from orfeon.slo.objectives import OBJECTIVES
from orfeon.slo.panels import Dashboard, Query
from services.runtime.triton.server import Call, TritonServer
from tests.contract.promtool import RULES
from tests.fakes.ports import free_port
from tests.integration.edge import Edge, traefik
from tests.integration.foreign_metrics import ABSENT
from tests.integration.oidc_provider import Provider
from tests.integration.prometheus import Prometheus, prometheus
from tests.integration.test_serve import launch, read_until
from tests.integration.triton_server import Triton
from tests.integration.triton_toys import INTERFACES, write_toys

#: So that something can paint.
_PAINTER = """
name: tiny
capability: images
engine: fake
tasks: [image-generation]
default: true
owned_by: orfeon
licence: Apache-2.0
memory_bytes: 1000
files: {}
options: {size: 128, steps: 2}
"""
#: What only happens when something goes wrong, which here nothing does: the metric is there, but
#: no series of it.
RARE = {
    "orfeon_fallbacks_total": "no fake engine is late",
}
#: Names of metrics of ours and of others; functions and labels have none of the prefixes.
_METRIC = re.compile(
    r"\b((?:orfeon|nv|DCGM|traefik|process)_[A-Za-z0-9_]+|slo:[a-z_0-9]+(?::[a-z_0-9]+)*)\b(?!\")"
)
_SUFFIX = re.compile(r"_(bucket|count|sum)$")


@dataclass
class Watched:
    """What runs, and who watches it."""

    prometheus: Prometheus
    told: Counter[str]
    emotion: str
    """Where the metrics of that container are."""


@contextmanager
def product(home: Path, issuer: str) -> Iterator[tuple[Access, dict[str, list[str]]]]:
    """`orfeon serve` on fake engines, which trusts a provider: its note, and where its metrics
    are.
    """
    folder = home / "models" / "tiny"
    folder.mkdir(parents=True)
    (folder / "model.yaml").write_text(_PAINTER)
    first = free_port()
    process = launch(
        home,
        "--metrics-base-port",
        str(first),
        studio=free_port(),
        ORFEON_GATEWAY_OIDC_ISSUER=issuer,
        ORFEON_GATEWAY_OIDC_AUDIENCE="orfeon",
    )
    try:
        read_until(process, "Ctrl-C stops")
        note = read_access(home)
        assert note.base_url
        names = [*known_capabilities(), ARBITER, TRITON, STUDIO]
        ports = {name: first + at for at, name in enumerate(names) if name != TRITON}
        targets = {f"orfeon-{name}": [f"127.0.0.1:{port}"] for name, port in ports.items()}
        gateway = note.base_url.removeprefix("http://").removesuffix("/v1")
        yield note, {"orfeon-gateway": [gateway], **targets}
    finally:
        process.terminate()
        process.wait(30)
        assert process.stdout is not None
        process.stdout.close()


@contextmanager
def toys(folder: Path) -> Iterator[tuple[str, TritonServer]]:
    """A Triton server with a model: where its metrics are, and what calls it."""
    port = free_port()
    server = Triton(folder, {}, write_toys(folder), metrics_port=port)
    server.start()
    caller = TritonServer(server.url, timeout=30)
    try:
        caller.load("echo", INTERFACES["echo"], timeout=60)
        yield f"127.0.0.1:{port}", caller
    finally:
        caller.close()
        server.stop()


@contextmanager
def edge(folder: Path, server: str) -> Iterator[tuple[Edge, asyncio.Runner]]:
    """Traefik before the product, by what the chart renders."""
    with asyncio.Runner() as runner:
        running = traefik(folder, {"http": [server], "grpc": [server]})
        try:
            yield runner.run(running.__aenter__()), runner
        finally:
            runner.run(running.__aexit__(None, None, None))


async def through(front: Edge, key: str) -> None:
    async with front.http(headers={"authorization": f"Bearer {key}"}) as client:
        for path in ("/v1/models", "/v1/audio/voices", "/v1/nothing"):
            assert (await client.get(path)).status_code in (200, 404)


@pytest.fixture(scope="module")
def watched(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Watched]:
    folder = tmp_path_factory.mktemp("slo")
    with ExitStack() as running:
        (folder / "triton").mkdir()
        triton, caller = running.enter_context(toys(folder / "triton"))
        provider = running.enter_context(Provider())
        note, targets = running.enter_context(product(folder / "home", provider.issuer))
        assert note.base_url
        assert note.api_key
        assert note.studio_url
        url, key = note.base_url.removesuffix("/v1"), note.api_key
        front, runner = running.enter_context(edge(folder, targets["orfeon-gateway"][0]))
        targets |= {"triton": [triton], "traefik": [front.inside.removeprefix("http://")]}
        found = running.enter_context(prometheus(folder / "prometheus", targets, RULES))
        for job in targets:
            found.until(f'up{{job="{job}"}} == 1')
        told: Counter[str] = Counter()
        # Twice, since the first request of a kind is a new series, which has no rate.
        for songs in (False, True):
            told += asyncio.run(traffic(url, key, songs=songs, studio_url=note.studio_url))
            runner.run(through(front, key))
            caller.infer("echo", {"X": np.ones(1, np.float32)}, Call())
            seen = time.time()
            looked = f"(timestamp(up) > {seen}) and (up == 1)"
            found.until(f"count({looked}) == {sum(map(len, targets.values()))}")
        # Rules are made of rules, and each group is evaluated for itself.
        found.until(f"timestamp(slo:error_budget:ratio) > {time.time() + 3}")
        yield Watched(found, told, targets["orfeon-emotion"][0])


def rules() -> list[dict[str, str]]:
    groups = yaml.safe_load(RULES.read_text("utf-8"))["groups"]
    return [rule for group in groups for rule in group["rules"]]


def names_in(expression: str) -> set[str]:
    return {name for name in _METRIC.findall(expression) if not name.startswith("slo:")}


def bare(name: str) -> str:
    return _SUFFIX.sub("", name)


def queries() -> list[tuple[Dashboard, str, Query]]:
    return [
        (board, panel.title, query)
        for board in DASHBOARDS
        for panel in board.panels
        for query in panel.queries
    ]


def asked(query: Query, capability: str) -> str:
    """A query as Grafana asks it, of the last half minute."""
    return (
        query.expression.replace("$namespace", ".*")
        .replace("$capability", capability)
        .replace("$__rate_interval", "30s")
    )


def test_everything_was_asked_for_at_each_level_and_answered(watched: Watched) -> None:
    refused = {"a model that is not there": "404", "a body that is none": "400"}
    expected = refused | {"a key that is wrong": "401", "a client that leaves": "left"}
    rounds = 2 * len(LEVELS)
    found = {name: watched.told[f"{name}: {expected.get(name, '200')}"] for name in ASKED}
    assert found == dict.fromkeys(ASKED, rounds)
    assert watched.told["song: completed"] == len(LEVELS)
    signed = {f"{name}: 303" for name in ("a page before signing in", "signing in", "signing out")}
    for visit in signed | {f"page {path}: 200" for path in PAGES}:
        assert watched.told[visit] == 2, visit


def test_every_metric_that_a_rule_or_a_panel_names_is_there(watched: Watched) -> None:
    named = {name for rule in rules() for name in names_in(rule["expr"])}
    named |= {name for _, _, query in queries() for name in names_in(query.expression)}
    assert len(named) > 40
    there = watched.prometheus.names()
    assert sorted(named - there - ABSENT - set(RARE)) == []
    # Nothing is taken for absent that is not.
    assert sorted((ABSENT | set(RARE)) & there) == []
    assert ABSENT | set(RARE) <= named


def test_what_is_rare_is_shown_by_a_container_all_the_same(watched: Watched) -> None:
    page = httpx.get(f"http://{watched.emotion}/metrics", trust_env=False).text
    for name in RARE:
        assert not name.startswith("orfeon_") or f"# TYPE {name} counter" in page


def test_every_rule_is_evaluated_without_a_fault(watched: Watched) -> None:
    groups = watched.prometheus.get("rules")["groups"]
    assert sum(len(group["rules"]) for group in groups) == len(rules())
    told = [rule.get("lastError") for group in groups for rule in group["rules"]]
    assert list(filter(None, told)) == []


def test_every_promise_has_an_objective_events_and_a_ratio(watched: Watched) -> None:
    of = {
        name: {each["metric"]["slo"] for each in watched.prometheus.query(name)}
        for name in ("slo:objective:ratio", "slo:total:rate5m", "slo:error:ratio_rate5m")
    }
    every = {each.name for each in OBJECTIVES}
    assert of["slo:objective:ratio"] == every
    assert sorted(every - of["slo:total:rate5m"]) == []
    # Of trainings only files are asked for here; shed work is counted with what was done.
    assert sorted(every - of["slo:error:ratio_rate5m"]) == []


def test_every_panel_shows_something(watched: Watched) -> None:
    empty = [
        f"{board.title}: {title}: {asked(query, 'chat')}"
        for board, title, query in queries()
        if not names_in(query.expression) & ABSENT
        and not watched.prometheus.query(asked(query, "chat"))
    ]
    assert empty == []


@pytest.mark.parametrize("capability", ["speech", "emotion", "song"])
def test_panels_of_a_capability_are_of_any(watched: Watched, capability: str) -> None:
    (board,) = (each for each in DASHBOARDS if each.name == "capability")
    for panel in board.panels:
        for query in panel.queries:
            watched.prometheus.query(asked(query, capability))
    told = watched.prometheus.query(f'slo:error_budget:ratio{{capability="{capability}"}}')
    assert told


def test_nobody_is_told_of_a_fault_while_there_is_none(watched: Watched) -> None:
    # How long things take says more of the machine that runs this than of us.
    slow = "|".join(("first_output", "latency", "queue_wait"))
    firing = watched.prometheus.query(f'ALERTS{{alertstate="firing",indicator!~"{slow}"}}')
    assert [each["metric"] for each in firing] == []
