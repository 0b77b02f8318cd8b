"""A small Kubernetes: its API of Jobs and pods over HTTP, and a node that runs what they say.

Manifests must be valid. Containers are processes of this machine, so volumes are where they are.
"""

import json
import os
import signal
import subprocess
import threading
import urllib.parse
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import kubernetes_validate

VERSION = "1.30"
NAMESPACE = "ai"


class FakeKubernetes:
    """A cluster. `answer` other than 200 is what every question gets; without a `node`, pods wait;
    it `refuses` Jobs as those that are not valid.

    `calls` are the questions that changed something: method, name and query.
    """

    def __init__(self) -> None:
        self.answer = 200
        self.node = True
        self.refuses = False
        self.oom = False
        self.calls: list[tuple[str, str, dict[str, list[str]]]] = []
        self.manifests: list[dict[str, Any]] = []
        self._jobs: dict[str, dict[str, Any]] = {}
        self._processes: dict[str, subprocess.Popen[bytes]] = {}
        self._leaving: set[str] = set()
        self._lock = threading.Lock()

    @property
    def jobs(self) -> list[str]:
        """The names of the Jobs that there are."""
        return list(self._jobs)

    def pid(self, job: str) -> int:
        """The process that is a Job's pod."""
        return self._processes[job].pid

    def create(self, manifest: dict[str, Any]) -> tuple[int, dict[str, Any]]:
        """Makes a Job, and its pod."""
        with self._lock:
            name = manifest["metadata"]["name"]
            if self.refuses:
                return 422, _status(422, "Invalid")
            if name in self._jobs:
                return 409, _status(409, "AlreadyExists")
            try:
                kubernetes_validate.validate(manifest, VERSION, strict=True)
            except kubernetes_validate.ValidationError:
                return 422, _status(422, "Invalid")
            self._jobs[name] = manifest
            self.manifests.append(manifest)
            return 201, manifest

    def read(self, name: str) -> tuple[int, dict[str, Any]]:
        """A Job as it is."""
        with self._lock:
            if name not in self._jobs:
                return 404, _status(404, "NotFound")
            process = self._process(name)
            status: dict[str, Any] = {"ready": 0, "active": 1}
            if process is not None:
                code = process.poll()
                if code is None:
                    status["ready"] = 1
                elif name in self._leaving:
                    self._remove(name)
                    return 404, _status(404, "NotFound")
                else:
                    kind = "Failed" if code or self.oom else "Complete"
                    condition = {"type": kind, "status": "True"}
                    status = {"ready": 0, "active": 0, "conditions": [condition]}
            return 200, {**self._jobs[name], "status": status}

    def delete(self, name: str) -> tuple[int, dict[str, Any]]:
        """Has a Job's pod end; the Job goes with it."""
        with self._lock:
            if name not in self._jobs:
                return 404, _status(404, "NotFound")
            process = self._processes.get(name)
            if process is None or process.poll() is not None:
                self._remove(name)
            elif name not in self._leaving:
                self._leaving.add(name)
                process.send_signal(signal.SIGTERM)
            return 200, _status(200, "Success")

    def pods(self, selector: str) -> tuple[int, dict[str, Any]]:
        """The pods of a Job."""
        key, _, name = selector.partition("=")
        assert key == "batch.kubernetes.io/job-name"
        items = []
        process = self._processes.get(name)
        if process is not None:
            code = process.poll()
            state: dict[str, Any] = {"running": {}}
            if code is not None:
                # The kernel's signals are told as shells tell them.
                shown = 137 if self.oom else code if code >= 0 else 128 - code
                reason = "OOMKilled" if self.oom else "Error" if shown else "Completed"
                state = {"terminated": {"exitCode": shown, "reason": reason}}
            container = {
                "name": "trainer", "state": state, "image": "i", "imageID": "i", "ready": True,
                "restartCount": 0,
            }  # fmt: skip
            items = [
                {
                    "metadata": {"name": name, "creationTimestamp": "2030-01-01T00:00:00Z"},
                    "status": {"containerStatuses": [container]},
                }
            ]
        return 200, {"apiVersion": "v1", "kind": "PodList", "metadata": {}, "items": items}

    def stop(self) -> None:
        """Ends what runs."""
        for process in self._processes.values():
            process.kill()
            process.wait()

    def _process(self, name: str) -> subprocess.Popen[bytes] | None:
        if name not in self._processes and self.node:
            (container,) = self._jobs[name]["spec"]["template"]["spec"]["containers"]
            environment = {each["name"]: each["value"] for each in container["env"]}
            self._processes[name] = subprocess.Popen(
                container["command"],
                cwd=container["workingDir"],
                env={"PATH": os.environ["PATH"], **environment},
            )
        return self._processes.get(name)

    def _remove(self, name: str) -> None:
        del self._jobs[name]
        self._processes.pop(name, None)
        self._leaving.discard(name)


def _status(code: int, reason: str) -> dict[str, Any]:
    return {"kind": "Status", "apiVersion": "v1", "code": code, "reason": reason, "metadata": {}}


@contextmanager
def cluster() -> Iterator[tuple[FakeKubernetes, str]]:
    """Yields a cluster and where its API listens."""
    fake = FakeKubernetes()

    class Handler(BaseHTTPRequestHandler):
        def _ask(self) -> None:
            url = urllib.parse.urlparse(self.path)
            query = urllib.parse.parse_qs(url.query)
            body = self.rfile.read(int(self.headers.get("content-length") or 0))
            name = url.path.rpartition("/")[2]
            if fake.answer != 200:
                code, answer = fake.answer, _status(fake.answer, "Told")
            elif url.path.startswith(f"/api/v1/namespaces/{NAMESPACE}/pods"):
                code, answer = fake.pods(query["labelSelector"][0])
            else:
                assert url.path.startswith(f"/apis/batch/v1/namespaces/{NAMESPACE}/jobs")
                code, answer = self._of_job(name, body)
                if self.command != "GET":
                    fake.calls.append((self.command, name, query))
            data = json.dumps(answer).encode()
            self.send_response(code)
            self.send_header("content-type", "application/json")
            self.send_header("content-length", str(len(data)))
            self.end_headers()
            self.wfile.write(data)

        def _of_job(self, name: str, body: bytes) -> tuple[int, dict[str, Any]]:
            if self.command == "POST":
                return fake.create(json.loads(body))
            return fake.delete(name) if self.command == "DELETE" else fake.read(name)

        do_GET = do_POST = do_DELETE = _ask

        def log_message(self, *_: Any) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, args=(0.02,))
    thread.start()
    try:
        yield fake, f"http://127.0.0.1:{server.server_address[1]}"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
        fake.stop()
