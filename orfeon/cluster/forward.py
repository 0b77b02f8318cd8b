"""A port of a pod on this machine, as `kubectl port-forward` makes one.

Not the API server's proxy: that one comes to a pod over the network, where policies refuse it.
"""

import contextlib
import socket
import threading
from collections.abc import Callable, Iterator
from typing import Any

from orfeon.cluster.api import Api, reason
from orfeon.cluster.pods import Pod
from orfeon.errors import OrfeonError
from orfeon.fault import Fault

#: The gateway's HTTP in its pod.
HTTP = 8000
_PIECE = 65536


def gateway_pod(pods: list[Pod]) -> Pod:
    """A gateway that answers. Raises `Fault`."""
    for pod in pods:
        if pod.component == "gateway" and pod.ready:
            return pod
    raise Fault("No gateway is ready to be asked for queue and models: see its pods above.")


@contextlib.contextmanager
def forwarded(api: Api, pod: str, port: int = HTTP) -> Iterator[str]:
    """The base URL by which that port can be reached from here. Raises `Fault`."""
    refused: list[Exception] = []
    with socket.create_server(("127.0.0.1", 0)) as listener:
        asked = (listener, lambda: _open(api, pod, port), refused)
        threading.Thread(target=_accept, args=asked, daemon=True).start()
        try:
            yield f"http://127.0.0.1:{listener.getsockname()[1]}"
        except OrfeonError as error:
            if not refused:
                raise
            raise Fault(
                f"Kubernetes does not forward a port of {pod} ({reason(refused[0])}): the account "
                "has to be allowed to create pods/portforward."
            ) from error
        finally:
            # Wakes the thread that waits for somebody to connect.
            with contextlib.suppress(OSError):
                listener.shutdown(socket.SHUT_RDWR)


def _accept(listener: socket.socket, connect: Callable[[], Any], refused: list[Exception]) -> None:
    while True:
        try:
            near, _ = listener.accept()
        except OSError:
            return
        try:
            far = connect()
        except Exception as error:  # Whoever connected sees it closed, and asks why.
            refused.append(error)
            near.close()
            continue
        for source, sink in ((near, far), (far, near)):
            threading.Thread(target=_copy, args=(source, sink), daemon=True).start()


def _open(api: Api, pod: str, port: int) -> Any:
    from kubernetes import client
    from kubernetes.stream import portforward

    # The client's own way changes the object that it is given for as long as it asks.
    core = client.CoreV1Api(client.ApiClient(api.client.configuration))
    ask = core.connect_get_namespaced_pod_portforward
    return portforward(ask, pod, api.namespace, ports=str(port)).socket(port)


def _copy(source: Any, sink: Any) -> None:
    with contextlib.suppress(OSError):
        while piece := source.recv(_PIECE):
            sink.sendall(piece)
    for each in (sink, source):
        with contextlib.suppress(OSError):
            each.shutdown(socket.SHUT_RDWR)
        each.close()
