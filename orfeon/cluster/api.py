"""Kubernetes' API, read by its own client; only this module and `forward` import that."""

import json
from collections.abc import Mapping
from importlib import import_module
from typing import TYPE_CHECKING, Any

from orfeon.fault import Fault

if TYPE_CHECKING:
    from kubernetes.client import ApiClient

Object = dict[str, Any]

#: Seconds to connect, and to wait for an answer.
_TIMEOUT = (5.0, 30.0)
#: Objects in one answer.
_PAGE = 500
_NAMES_ONLY = "application/json;as=PartialObjectMetadata;g=meta.k8s.io;v=v1"


class Forbidden(Exception):
    """The account may not read that."""


class Absent(Exception):
    """The cluster does not have that."""


class Api:
    """Reads one cluster. Every method raises `Fault` where it does not answer as Kubernetes does.

    `context` is the kubeconfig's, `namespace` that of the context unless another was given.
    """

    def __init__(self, client: "ApiClient", context: str, namespace: str) -> None:
        self.client = client
        self.context = context
        self.namespace = namespace
        self.server = str(client.configuration.host)

    def get(self, path: str, query: Mapping[str, str | int] | None = None) -> Object:
        """One object. Raises `Absent` or `Forbidden`."""
        return self._get(path, query or {}, "application/json")

    def names(self, path: str) -> Object:
        """An object without what is in it, so that no secret is read. Raises as `get` does."""
        return self._get(path, {}, _NAMES_ONLY)

    def list(self, path: str, query: Mapping[str, str | int] | None = None) -> list[Object]:
        """Every object of a kind. Raises as `get` does."""
        found: list[Object] = []
        page: dict[str, str | int] = {**(query or {}), "limit": _PAGE}
        while True:
            answer = self.get(path, page)
            items = answer.get("items")
            if not isinstance(items, list):
                raise self._strange(path)
            found += items
            if not (rest := (answer.get("metadata") or {}).get("continue")):
                return found
            page["continue"] = rest

    def _get(self, path: str, query: Mapping[str, str | int], accept: str) -> Object:
        from kubernetes.client.exceptions import ApiException
        from urllib3.exceptions import HTTPError

        request = self.client.param_serialize(
            "GET",
            path,
            query_params=list(query.items()),
            header_params={"Accept": accept},
            auth_settings=["BearerToken"],
        )
        try:
            answer: Any = self.client.call_api(*request, _request_timeout=_TIMEOUT)
            body: bytes = answer.read()
        except (HTTPError, ApiException, OSError, ValueError) as error:
            raise Fault(
                f"Kubernetes cannot be reached at {self.server} ({reason(error)}): look at the "
                f"context {self.context} of the kubeconfig, and at the network."
            ) from error
        return self._judged(path, answer.status, body)

    def _judged(self, path: str, status: int, body: bytes) -> Object:
        if status == 401:
            raise Fault(
                f"Kubernetes at {self.server} does not take the credentials of the context "
                f"{self.context}: log in again."
            )
        if status == 403:
            raise Forbidden(path)
        if status == 404:
            raise Absent(path)
        try:
            answer = json.loads(body)
        except ValueError:
            answer = None
        if status != 200 or not isinstance(answer, dict):
            raise self._strange(path, status)
        return answer

    def _strange(self, path: str, status: int = 200) -> Fault:
        return Fault(
            f"{self.server}{path} answers {status}, and not as Kubernetes does: look at the server "
            f"of the context {self.context}, or try again later."
        )


def connect(
    kubeconfig: str | None = None, context: str | None = None, namespace: str | None = None
) -> Api:
    """The cluster of a context of a kubeconfig, by default those that kubectl takes.

    `kubeconfig` may be several paths, as in the variable of that name. Raises `Fault`.
    """
    try:
        from kubernetes import client
        from kubernetes.config.config_exception import ConfigException
    except ImportError as error:
        raise Fault(
            "Kubernetes' client is not installed here: pip install 'orfeon[cluster]'."
        ) from error
    # Typed in part only.
    config: Any = import_module("kubernetes.config")
    settings = client.Configuration()
    # A person waits: what cannot be reached is said at once.
    settings.retries = False
    try:
        contexts, current = config.list_kube_config_contexts(kubeconfig)
        chosen = next((each for each in contexts if each["name"] == context), None)
        if context is None:
            chosen = current
        if chosen is None:
            known = ", ".join(each["name"] for each in contexts)
            raise Fault(f"The kubeconfig has no context {context}; it has {known}.")
        config.load_kube_config(
            kubeconfig, context=chosen["name"], client_configuration=settings, persist_config=False
        )
        default = (chosen.get("context") or {}).get("namespace") or "default"
    except ConfigException as error:
        raise Fault(
            f"No cluster can be told from the kubeconfig ({reason(error)}): name a file that "
            "kubectl works with by --kubeconfig."
        ) from error
    except Fault:
        raise
    except Exception as error:  # A file that is no kubeconfig fails in as many ways as there are.
        raise Fault(
            f"The kubeconfig cannot be read ({reason(error)}): name a file that kubectl works "
            "with by --kubeconfig."
        ) from error
    return Api(client.ApiClient(settings), str(chosen["name"]), namespace or default)


def reason(error: BaseException) -> str:
    """Why something failed, on one line."""
    cause = getattr(error, "reason", None) or error
    return " ".join(str(cause).split())[:200].rstrip(".") or type(cause).__name__
