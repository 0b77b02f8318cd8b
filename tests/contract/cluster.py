"""A cluster that charts may ask while they render: as much of Kubernetes' API as `lookup` needs."""

import base64
import json
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from typing import Any

import helm_python as helm
import yaml

from tests.contract.chart import CHART, NAMESPACE, RELEASE, Object

KINDS = {"secrets": "Secret", "persistentvolumeclaims": "PersistentVolumeClaim"}
RESOURCES = [
    {"name": name, "kind": kind, "namespaced": True, "verbs": ["get", "list"]}
    for name, kind in KINDS.items()
]
PAGES: dict[str, Object] = {
    "/version": {"major": "1", "minor": "34", "gitVersion": "v1.34.0"},
    "/api": {"kind": "APIVersions", "versions": ["v1"]},
    "/apis": {"kind": "APIGroupList", "apiVersion": "v1", "groups": []},
    "/api/v1": {"kind": "APIResourceList", "groupVersion": "v1", "resources": RESOURCES},
}
NOT_FOUND = {"kind": "Status", "status": "Failure", "reason": "NotFound", "code": 404}


class Cluster(ThreadingHTTPServer):
    """`secrets` are their data by name, `claims` what volume claims say of themselves by name."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Answer)
        self.secrets: dict[str, dict[str, str]] = {}
        self.claims: dict[str, dict[str, Any]] = {}

    def answer(self, path: str) -> Object | None:
        """What is at a path."""
        resource, _, name = path.removeprefix(f"/api/v1/namespaces/{NAMESPACE}/").partition("/")
        if resource not in KINDS:
            return PAGES.get(path)
        found = {
            "secrets": {name: {"data": _encoded(data)} for name, data in self.secrets.items()},
            "persistentvolumeclaims": {name: {"spec": spec} for name, spec in self.claims.items()},
        }[resource]
        objects = {
            each: {"apiVersion": "v1", "kind": KINDS[resource], "metadata": _metadata(each), **body}
            for each, body in found.items()
        }
        if name:
            return objects.get(name)
        items = list(objects.values())
        return {
            "apiVersion": "v1",
            "kind": f"{KINDS[resource]}List",
            "metadata": {},
            "items": items,
        }

    def render(self, values: dict[str, Any]) -> dict[str, str]:
        """Every template, as `helm upgrade` renders it here. Raises what Helm raises."""
        server = f"http://127.0.0.1:{self.server_address[1]}"
        kubeconfig = {
            "apiVersion": "v1",
            "kind": "Config",
            "clusters": [{"name": "here", "cluster": {"server": server}}],
            "contexts": [{"name": "here", "context": {"cluster": "here", "user": ""}}],
            "current-context": "here",
        }
        content = yaml.safe_dump(kubeconfig)
        with (
            helm.Config(kubeconfig_content=content, namespace=NAMESPACE) as config,
            helm.Chart.load(CHART) as chart,
        ):
            return config.render(chart, values, name=RELEASE, namespace=NAMESPACE)


class _Answer(BaseHTTPRequestHandler):
    server: Cluster

    def do_GET(self) -> None:
        found = self.server.answer(self.path.partition("?")[0])
        body = json.dumps(NOT_FOUND if found is None else found).encode()
        self.send_response(404 if found is None else 200)
        self.send_header("content-type", "application/json")
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:
        """Says nothing."""


@contextmanager
def running() -> Iterator[Cluster]:
    """A cluster with nothing in it."""
    cluster = Cluster()
    thread = Thread(target=cluster.serve_forever, daemon=True)
    thread.start()
    try:
        yield cluster
    finally:
        cluster.shutdown()
        thread.join()
        cluster.server_close()


def _metadata(name: str) -> Object:
    return {"name": name, "namespace": NAMESPACE}


def _encoded(data: dict[str, str]) -> dict[str, str]:
    return {key: base64.b64encode(value.encode()).decode() for key, value in data.items()}
