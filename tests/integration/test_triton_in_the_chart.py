"""The arguments and probes that the chart gives Triton, given to a real one."""

from collections.abc import Iterator

import httpx
import pytest
from tritonclient.grpc import InferenceServerClient

from orfeon.serve.triton import REPOSITORY
from tests.contract.chart import Object, container, of_kind
from tests.fakes.gateway import eventually
from tests.fakes.ports import free_port
from tests.integration.triton_server import Triton

PORTS = ("http", "grpc", "metrics")


@pytest.fixture(scope="module")
def chart() -> Object:
    values = {"triton": {"enabled": True, "models": ["emotion_whisper"]}}
    return container(of_kind(values, "Deployment")["triton"])


@pytest.fixture(scope="module")
def ports(chart: Object, tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, int]]:
    """Ports of a server that was started so, by the names that the chart gives them."""
    folder = tmp_path_factory.mktemp("chart")
    found = {name: free_port() for name in PORTS}
    url = f"127.0.0.1:{found['grpc']}"
    server = Triton(folder, {"ORFEON_HOME": str(folder / "home")}, url=url)
    # What the wheel is told besides is where it lies, and where it listens.
    program, *told = server.command
    places = ("--backend-directory", "--backend-config")
    arguments = [each for each in told if each.startswith(places)]
    arguments += [each for each in chart["args"] if "--model-repository" not in each]
    arguments += [f"--model-repository={REPOSITORY}"]
    arguments += [f"--{name}-port={port}" for name, port in found.items()]
    arguments += [f"--{name}-address=127.0.0.1" for name in PORTS]
    server.command = (program, *arguments)
    try:
        server.start()
        yield found
    finally:
        server.stop()


async def test_a_server_takes_them_and_loads_what_it_is_told(
    chart: Object, ports: dict[str, int]
) -> None:
    with InferenceServerClient(f"127.0.0.1:{ports['grpc']}") as client:

        async def loaded() -> bool:
            return bool(client.is_model_ready("emotion_whisper"))

        await eventually(loaded, 60)
    assert {each["name"] for each in chart["ports"]} == set(ports)


@pytest.mark.parametrize("probe", ["startupProbe", "readinessProbe", "livenessProbe"])
def test_it_answers_what_it_is_probed_by(chart: Object, ports: dict[str, int], probe: str) -> None:
    asked = chart[probe]["httpGet"]
    answer = httpx.get(f"http://127.0.0.1:{ports[asked['port']]}{asked['path']}", timeout=10)
    assert answer.status_code == 200


def test_its_metrics_are_where_they_are_scraped(ports: dict[str, int]) -> None:
    metrics = httpx.get(f"http://127.0.0.1:{ports['metrics']}/metrics", timeout=10).text
    assert "nv_inference_pending_request_count" in metrics
