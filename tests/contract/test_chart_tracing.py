"""What the chart tells its processes of a collector of traces."""

from typing import Any

import helm_python as helm
import pytest

from orfeon.serve.triton import traces
from tests.contract.chart import ALL_ON, Object, of_kind, pod_templates, render

ENDPOINT = "http://otel-collector.monitoring:4318"


def tracing(**more: Any) -> dict[str, Any]:
    return ALL_ON | {
        "triton": {"enabled": True, "repository": {"existingClaim": "triton"}},
        "tracing": {"enabled": True, "endpoint": ENDPOINT} | more,
    }


def environment(pod: Object) -> dict[str, Any]:
    [container] = pod["spec"]["containers"]
    return {each["name"]: each for each in container.get("env", [])}


def processes(values: dict[str, Any]) -> dict[str, dict[str, Any]]:
    """The environment of everything that answers requests, by its component.

    Not of Studio, whose requests begin their traces at the gateway.
    """
    return {
        pod["metadata"]["labels"]["app.kubernetes.io/component"]: environment(pod)
        for name, pod in pod_templates(values).items()
        if name.startswith("Deployment/") and not name.endswith("-studio")
    }


def test_nothing_is_said_of_traces_unless_they_are_wanted() -> None:
    assert "OTEL_" not in str(render({}))
    assert "trace-config" not in str(render({"triton": tracing()["triton"]}))


def test_every_process_that_a_request_meets_is_told() -> None:
    found = processes(tracing(samplingRatio=0.25))
    assert {"gateway", "triton", "chat", "song", "training"} <= set(found)
    for told in found.values():
        assert told["OTEL_EXPORTER_OTLP_ENDPOINT"]["value"] == ENDPOINT
        assert told["OTEL_TRACES_SAMPLER"]["value"] == "parentbased_traceidratio"
        assert told["OTEL_TRACES_SAMPLER_ARG"]["value"] == "0.25"
        resource = told["OTEL_RESOURCE_ATTRIBUTES"]["value"]
        assert resource.startswith("service.namespace=prod,k8s.namespace.name=ai,k8s.pod.name=$(")
        assert "OTEL_EXPORTER_OTLP_HEADERS" not in told


@pytest.mark.parametrize(("given", "said"), [(0, "0"), (1, "1"), (0.1, "0.1"), (0.00001, "1e-05")])
def test_a_ratio_is_said_as_a_number(given: float, said: str) -> None:
    assert processes(tracing(samplingRatio=given))["gateway"]["OTEL_TRACES_SAMPLER_ARG"] == {
        "name": "OTEL_TRACES_SAMPLER_ARG",
        "value": said,
    }


def test_headers_come_by_a_secret() -> None:
    secret = {"secretName": "collector", "secretKey": "headers"}
    for told in processes(tracing(headers=secret)).values():
        reference = told["OTEL_EXPORTER_OTLP_HEADERS"]["valueFrom"]["secretKeyRef"]
        assert reference == {"name": "collector", "key": "headers"}


@pytest.mark.parametrize("endpoint", [ENDPOINT, f"{ENDPOINT}/"])
def test_triton_is_told_as_orfeon_serve_tells_it(endpoint: str) -> None:
    [pod] = [
        pod
        for pod in pod_templates(tracing(endpoint=endpoint)).values()
        if pod["metadata"]["labels"]["app.kubernetes.io/component"] == "triton"
    ]
    arguments = pod["spec"]["containers"][0]["args"]
    assert [each for each in arguments if "trace-config" in each] == list(traces(ENDPOINT))


def test_who_is_told_can_reach_the_collector() -> None:
    found = tracing()
    policies = of_kind(found, "NetworkPolicy")
    for component in processes(found):
        rules = policies[component]["spec"]["egress"]
        assert 4318 in [port["port"] for rule in rules for port in rule["ports"]], component


@pytest.mark.parametrize(
    ("values", "sentence"),
    [
        ({"enabled": True}, "tracing.enabled needs tracing.endpoint"),
        ({"headers": {"secretName": "collector"}}, "no traces are sent"),
        ({"enabled": True, "endpoint": "http://collector:4317"}, "at port 4317, which"),
        ({"enabled": True, "endpoint": "https://collector"}, "at port 443, which"),
        ({"enabled": True, "endpoint": "http://[fd00::1]/otlp"}, "at port 80, which"),
        ({"enabled": True, "endpoint": "collector:4318"}, "tracing"),
        ({"samplingRatio": 1.5}, "samplingRatio"),
        ({"samplingRatio": -0.1}, "samplingRatio"),
        ({"samplingRatio": "0.1"}, "samplingRatio"),
        ({"sampling": 0.1}, "sampling"),
    ],
)
def test_what_cannot_work_is_refused(values: dict[str, Any], sentence: str) -> None:
    with pytest.raises(helm.HelmError, match=sentence):
        render({"tracing": values})


def test_a_collector_elsewhere_needs_its_port_let_out() -> None:
    policy = {"tracing": {"ports": [443]}}
    assert render({"tracing": {"enabled": True, "endpoint": "https://collector/otlp"},
                   "networkPolicy": policy})  # fmt: skip
