"""Clusters of several shapes, served by a mock of Kubernetes' API.

kmock keeps objects and serves lists, discovery and errors. It heeds no selectors of labels, does
not page and has no websockets.
"""

import asyncio
import contextlib
import re
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import aiohttp.web
import yaml
from kmock import KubernetesEmulator, Request, Server

Object = dict[str, Any]

NAMESPACE = "orfeon"
_FORWARD = re.compile(r"/api/v1/namespaces/[^/]+/pods/[^/]+/portforward")


@dataclass
class Shape:
    """What a cluster holds: objects by `group/version/plural`, and what may not be read."""

    objects: dict[str, list[Object]] = field(default_factory=dict)
    version: str = "v1.33.4"
    forbidden: tuple[str, ...] = ()
    #: What every question gets, instead.
    answer: object = None
    #: Where the one port is that can be forwarded.
    port: int = 0


class _Cluster(KubernetesEmulator):
    """kmock, and the forwarding of one port as kubelets do it: two channels over a websocket."""

    forwards_to: int = 0

    async def _handle(self, request: Request) -> aiohttp.web.StreamResponse:
        raw = request._raw_request
        if raw is None or not self.forwards_to or not _FORWARD.fullmatch(raw.path):
            return await super()._handle(request)
        socket = aiohttp.web.WebSocketResponse(protocols=["v4.channel.k8s.io"])
        await socket.prepare(raw)
        port = int(raw.query["ports"])
        for channel in (0, 1):
            await socket.send_bytes(bytes([channel]) + port.to_bytes(2, "little"))
        reader, writer = await asyncio.open_connection("127.0.0.1", self.forwards_to)

        async def back() -> None:
            while piece := await reader.read(65536):
                await socket.send_bytes(b"\0" + piece)
            await socket.close()

        # Ends both ways however one of them ends: the server's own end takes this handler away.
        async with asyncio.TaskGroup() as ways:
            ways.create_task(back())
            try:
                async for message in socket:
                    writer.write(message.data[1:])
            finally:
                writer.close()
        return socket


@contextlib.contextmanager
def cluster(shape: Shape, folder: Path) -> Iterator[Path]:
    """A kubeconfig for a cluster of that shape, which runs meanwhile."""
    ready: threading.Event = threading.Event()
    address: list[str] = []
    loops: list[asyncio.AbstractEventLoop] = []
    stop = asyncio.Event()

    async def run() -> None:
        loops.append(asyncio.get_running_loop())
        emulator = _Cluster()
        async with emulator as server, Server(server):
            emulator.forwards_to = shape.port
            _fill(server, shape)
            address.append(str(server.url).rstrip("/"))
            ready.set()
            await stop.wait()

    # Which sees to it that whatever is left of connections ends before its loop does.
    thread = threading.Thread(target=lambda: asyncio.run(run()))
    thread.start()
    try:
        assert ready.wait(60), "kmock does not start"
        yield kubeconfig(folder, address[0])
    finally:
        loops[0].call_soon_threadsafe(stop.set)
        thread.join()


def kubeconfig(folder: Path, server: str) -> Path:
    """A kubeconfig with one context, `there`, of the namespace `orfeon`."""
    path = folder / "kubeconfig"
    context = {"cluster": "c", "user": "u", "namespace": NAMESPACE}
    path.write_text(yaml.safe_dump({
        "apiVersion": "v1", "kind": "Config", "current-context": "there",
        "clusters": [{"name": "c", "cluster": {"server": server}}],
        "users": [{"name": "u", "user": {"token": "t"}}],
        "contexts": [{"name": "there", "context": context}],
    }), "utf-8")  # fmt: skip
    return path


def _fill(server: Any, shape: Shape) -> None:
    if shape.answer is not None:
        server["get"] << shape.answer
    server["get /version"] << {"major": "1", "gitVersion": shape.version}
    for path in shape.forbidden:
        server[f"get {path}"] << 403
    for resource, found in shape.objects.items():
        server.resources[resource] = {}
        for each in found:
            meta = each["metadata"]
            if resource == "v1/namespaces":
                # kmock takes the path of one for that of all that is in it.
                server[f"get /api/v1/namespaces/{meta['name']}"] << each
            server.objects[resource, meta.get("namespace"), meta["name"]] = each


def named(name: str, namespace: str | None = None, **more: Any) -> Object:
    """An object with a name; `labels` and `annotations` go into its metadata."""
    meta: Object = {"name": name}
    if namespace:
        meta["namespace"] = namespace
    for key in ("labels", "annotations"):
        if key in more:
            meta[key] = more.pop(key)
    return {"metadata": meta, **more}


def node(name: str, gpus: dict[str, str] | None = None, taint: str = "", **labels: str) -> Object:
    """A node that is ready. Labels are given without `nvidia.com/`, _ for . and -."""
    own = {f"nvidia.com/{key.replace('__', '-').replace('_', '.')}": v for key, v in labels.items()}
    spec: Object = {"taints": [{"key": taint, "effect": "NoSchedule"}]} if taint else {}
    return named(
        name,
        labels={"kubernetes.io/arch": "amd64", **own},
        spec=spec,
        status={
            "allocatable": {"cpu": "8", "memory": "32Gi", **(gpus or {})},
            "conditions": [{"type": "Ready", "status": "True"}],
        },
    )


def pod(name: str, namespace: str, on: str, gpus: dict[str, str] | None = None) -> Object:
    """A pod that runs, with GPUs."""
    return named(
        name, namespace,
        spec={"nodeName": on, "containers": [{"resources": {"limits": gpus or {}}}]},
        status={"phase": "Running"},
    )  # fmt: skip


_DEFAULT = {"storageclass.kubernetes.io/is-default-class": "true"}
_STANDARD = named("standard", annotations=_DEFAULT, provisioner="rancher.io/local-path")
_NFS = named("shared", provisioner="nfs.csi.k8s.io")
_ACME = "--certificatesresolvers.letsencrypt.acme.tlsChallenge=true"
_TRAEFIK = named(
    "traefik-0", "edge",
    labels={"app.kubernetes.io/name": "traefik"},
    spec={"containers": [{"args": ["--ping", _ACME]}]},
)  # fmt: skip
_PROMETHEUS = named(
    "main", "observability",
    spec={
        "serviceMonitorSelector": {"matchLabels": {"release": "kps"}},
        "ruleSelector": {"matchLabels": {"role": "alerts"}},
        "serviceMonitorNamespaceSelector": {},
    },
)  # fmt: skip
_ISSUER = named("letsencrypt", status={"conditions": [{"type": "Ready", "status": "True"}]})
_CORE: dict[str, list[Object]] = {
    "v1/nodes": [], "v1/pods": [], "v1/namespaces": [], "v1/secrets": [],
    "node.k8s.io/v1/runtimeclasses": [], "storage.k8s.io/v1/storageclasses": [],
    "networking.k8s.io/v1/ingressclasses": [], "apps/v1/daemonsets": [],
}  # fmt: skip
_PLATFORM: dict[str, list[Object]] = {
    "traefik.io/v1alpha1/ingressroutes": [],
    "cert-manager.io/v1/clusterissuers": [_ISSUER],
    "monitoring.coreos.com/v1/prometheuses": [_PROMETHEUS],
    "keda.sh/v1alpha1/scaledobjects": [],
    "cilium.io/v2/ciliumnetworkpolicies": [],
    "node.k8s.io/v1/runtimeclasses": [named("nvidia", handler="nvidia")],
    "storage.k8s.io/v1/storageclasses": [_STANDARD, _NFS],
    "v1/namespaces": [named(NAMESPACE, labels={})],
}

LAPTOP = Shape(
    _CORE | {
        "v1/nodes": [node("laptop")],
        "storage.k8s.io/v1/storageclasses": [_STANDARD],
        "apps/v1/daemonsets": [named("kube-flannel-ds", "kube-flannel")],
        "networking.k8s.io/v1/ingressclasses": [
            named("nginx", spec={"controller": "k8s.io/ingress-nginx"})
        ],
    }
)  # fmt: skip
#: Two nodes of four GPUs each, of which five are taken.
WHOLE = Shape(
    _CORE | _PLATFORM | {
        "v1/nodes": [
            node("plain"),
            node("a", {"nvidia.com/gpu": "4"}, "nvidia.com/gpu", gpu_present="true",
                 gpu_product="NVIDIA-L4"),
            node("b", {"nvidia.com/gpu": "4"}, "team", gpu_present="true",
                 gpu_product="NVIDIA-L4"),
        ],
        "v1/pods": [_TRAEFIK, pod("hog", "other", "a", {"nvidia.com/gpu": "4"}),
                    pod("bit", "other", "b", {"nvidia.com/gpu": "1"})],
    }
)  # fmt: skip
#: Slices of two sizes, without labels of GPU feature discovery.
MIG = Shape(
    _CORE | _PLATFORM | {
        "v1/nodes": [
            node("plain"),
            node("a", {"nvidia.com/mig-1g.10gb": "7", "nvidia.com/mig-2g.20gb": "2"}),
        ],
    }
)  # fmt: skip
#: One GPU in eight time slices, which keep the name of whole ones; the Gateway API and no Traefik.
SHARED = Shape(
    _CORE | {
        "v1/nodes": [
            node("plain"),
            node("a", {"nvidia.com/gpu": "8"}, gpu_present="true",
                 gpu_sharing__strategy="time-slicing", gpu_replicas="8"),
        ],
        "gateway.networking.k8s.io/v1/gateways": [named("public", "gateways")],
        "storage.k8s.io/v1/storageclasses": [named("longhorn", provisioner="driver.longhorn.io")],
    }
)  # fmt: skip
#: A tenant of a cluster: sees its namespace and little else.
HARDENED = Shape(
    _CORE | {
        "v1/namespaces": [
            named(NAMESPACE, labels={"pod-security.kubernetes.io/enforce": "restricted"})
        ],
    },
    forbidden=(
        "/api/v1/nodes", "/api/v1/pods", "/apis/node.k8s.io/v1/runtimeclasses",
        "/apis/storage.k8s.io/v1/storageclasses", "/apis/networking.k8s.io/v1/ingressclasses",
        "/apis/apps/v1/daemonsets",
    ),
)  # fmt: skip
SHAPES = {"laptop": LAPTOP, "whole": WHOLE, "mig": MIG, "shared": SHARED, "hardened": HARDENED}
