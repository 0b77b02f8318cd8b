"""What the chart renders is valid, restricted, and says what our containers understand."""

from pathlib import Path
from typing import Any

import helm_python as helm
import jsonschema
import kubernetes_validate
import pytest
import yaml

from services.chat.settings import ChatSettings
from services.speech.settings import SpeechSettings
from services.training.settings import TrainingSettings
from tests.contract.chart import (
    CAPABILITIES,
    CHART,
    EVERY_FLAVOUR,
    RELEASE,
    Object,
    container,
    environment,
    objects,
    of_kind,
    pod,
    render,
    values_of,
)

#: What starts pods that live on.
WORKLOADS = ("Deployment", "DaemonSet")

VERSIONS = ("1.30", "1.34", "1.37")

#: The parts that we use of what a cluster learns from Traefik and from the Prometheus operator.
TEXT = {"type": "string", "minLength": 1}
DURATION = {"type": "string", "pattern": r"^\d+(ms|s|m|h)$"}


def _closed(required: list[str], **properties: Any) -> dict[str, Any]:
    return {
        "type": "object",
        "properties": properties,
        "required": required,
        "additionalProperties": False,
    }


def _list(items: dict[str, Any]) -> dict[str, Any]:
    return {"type": "array", "minItems": 1, "items": items}


CUSTOM = {
    "traefik.io/v1alpha1/IngressRoute": _closed(
        ["routes"],
        entryPoints=_list(TEXT),
        routes=_list(
            _closed(
                ["match", "services"],
                kind={"const": "Rule"},
                match={"type": "string", "pattern": r"^Host\(`[^`]+`\)"},
                middlewares=_list(_closed(["name"], name=TEXT, namespace=TEXT)),
                services=_list(
                    {
                        "oneOf": [
                            _closed(["name", "port"], name=TEXT, port={"const": "http"}),
                            _closed(
                                ["name", "port", "scheme"],
                                name=TEXT,
                                port={"const": "grpc"},
                                scheme={"const": "h2c"},
                            ),
                        ]
                    }
                ),
            )
        ),
        tls=_closed([], secretName=TEXT, certResolver=TEXT),
    ),
    "monitoring.coreos.com/v1/ServiceMonitor": _closed(
        ["selector", "endpoints"],
        selector=_closed(
            ["matchLabels"], matchLabels={"type": "object", "additionalProperties": TEXT}
        ),
        endpoints=_list(
            _closed(["port"], port=TEXT, path=TEXT, interval=DURATION, scrapeTimeout=DURATION)
        ),
    ),
}


@EVERY_FLAVOUR
def test_chart_lints_without_a_warning(flavour: str) -> None:
    report = helm.lint(CHART, values_of(flavour), strict=True)
    assert report["errors"] == []
    assert [message for message in report["messages"] if message["severity"] > 1] == []


@pytest.mark.parametrize("version", VERSIONS)
@EVERY_FLAVOUR
def test_every_object_is_valid_for_kubernetes(flavour: str, version: str) -> None:
    for found in objects(values_of(flavour)):
        schema = CUSTOM.get(f"{found['apiVersion']}/{found['kind']}")
        if schema is None:
            kubernetes_validate.validate(found, version, strict=True)
        else:
            jsonschema.validate(found["spec"], schema)


@EVERY_FLAVOUR
def test_every_object_has_a_name_of_its_own_in_the_release(flavour: str) -> None:
    names = [(found["kind"], found["metadata"]["name"]) for found in objects(values_of(flavour))]
    assert len(names) == len(set(names))
    assert all(name.startswith(RELEASE) and len(name) <= 63 for _, name in names)


@EVERY_FLAVOUR
def test_selectors_hold_only_labels_that_never_change(flavour: str) -> None:
    stable = {f"app.kubernetes.io/{word}" for word in ("name", "instance", "component")}
    found = objects(values_of(flavour))
    for deployment in (each for each in found if each["kind"] in WORKLOADS):
        selector = deployment["spec"]["selector"]["matchLabels"]
        assert set(selector) == stable
        labels = deployment["spec"]["template"]["metadata"]["labels"]
        assert selector.items() <= labels.items()
        # Those that change with a chart would restart every model server for nothing.
        assert not {"helm.sh/chart", "app.kubernetes.io/version"} & set(labels)
    for service in (each for each in found if each["kind"] == "Service"):
        assert set(service["spec"]["selector"]) == stable


def _pods(flavour: str) -> list[Object]:
    found = objects(values_of(flavour))
    deployed = [pod(each) for each in found if each["kind"] in WORKLOADS]
    return deployed + [each["spec"] for each in found if each["kind"] == "Pod"]


@EVERY_FLAVOUR
def test_every_pod_meets_the_restricted_standard(flavour: str) -> None:
    for spec in _pods(flavour):
        assert spec["securityContext"]["runAsNonRoot"] is True
        assert spec["securityContext"]["runAsUser"] == 65532
        assert spec["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
        assert spec["automountServiceAccountToken"] is False
        assert not {"hostNetwork", "hostPID", "hostIPC"} & set(spec)
        for each in spec["containers"]:
            assert each["securityContext"]["allowPrivilegeEscalation"] is False
            assert each["securityContext"]["capabilities"] == {"drop": ["ALL"]}
        for volume in spec.get("volumes", []):
            assert set(volume) - {"name"} <= {"emptyDir", "persistentVolumeClaim", "secret"}


@EVERY_FLAVOUR
def test_only_pods_with_a_gpu_may_write_to_their_root(flavour: str) -> None:
    for spec in _pods(flavour):
        for each in spec["containers"]:
            limits = each["resources"].get("limits", {})
            on_gpu = any(name.startswith("nvidia.com/") for name in limits)
            on_gpu |= {"name": "NVIDIA_VISIBLE_DEVICES", "value": "all"} in each.get("env", [])
            assert each["securityContext"]["readOnlyRootFilesystem"] is not on_gpu


@EVERY_FLAVOUR
def test_a_draining_pod_is_not_killed_before_its_requests_end(flavour: str) -> None:
    for name, deployment in of_kind(values_of(flavour), "Deployment").items():
        grace = pod(deployment)["terminationGracePeriodSeconds"]
        before = container(deployment)["lifecycle"]["preStop"]["sleep"]["seconds"]
        if name == "triton":
            (drain,) = (
                int(argument.partition("=")[2])
                for argument in container(deployment)["args"]
                if argument.startswith("--exit-timeout-secs=")
            )
        else:
            drain = int(environment(deployment)[f"ORFEON_{name.upper()}_DRAIN_SECONDS"])
        assert before > 0
        assert before + drain < grace


@EVERY_FLAVOUR
def test_a_pod_leaves_its_service_before_it_is_killed(flavour: str) -> None:
    for deployment in of_kind(values_of(flavour), "Deployment").values():
        ready, alive = (
            probe["periodSeconds"] * probe["failureThreshold"]
            for probe in (
                container(deployment)["readinessProbe"],
                container(deployment)["livenessProbe"],
            )
        )
        assert ready * 2 < alive


@EVERY_FLAVOUR
def test_liveness_of_a_model_server_does_not_ask_what_readiness_asks(flavour: str) -> None:
    for name, deployment in of_kind(values_of(flavour), "Deployment").items():
        if name == "gateway":
            continue
        probes = container(deployment)
        question = {"httpGet", "grpc"}
        alive, ready = (
            {key: value for key, value in probes[name].items() if key in question}
            for name in ("livenessProbe", "readinessProbe")
        )
        assert alive
        assert alive != ready


def test_loading_may_take_as_long_as_the_values_say() -> None:
    probe = container(of_kind(values_of("gpu"), "Deployment")["chat"])["startupProbe"]
    assert probe["periodSeconds"] * probe["failureThreshold"] >= 600


def test_metrics_are_scraped_from_every_container_and_reached_from_outside_by_none() -> None:
    values = values_of("triton")
    monitors, services = of_kind(values, "ServiceMonitor"), of_kind(values, "Service")
    on = {*CAPABILITIES} - {"training"}
    assert set(monitors) == set(services) == {"gateway", "triton", *on}
    for name, monitor in monitors.items():
        (endpoint,) = monitor["spec"]["endpoints"]
        assert endpoint["port"] in {port["name"] for port in services[name]["spec"]["ports"]}
        labels = services[name]["metadata"]["labels"].items()
        assert monitor["spec"]["selector"]["matchLabels"].items() <= labels
    for route in of_kind(values, "IngressRoute")["gateway"]["spec"]["routes"]:
        assert "metrics" not in route["match"]
        assert "PathPrefix(`/`)" not in route["match"]


def test_jobs_and_models_of_trainings_are_where_they_are_looked_for() -> None:
    deployments = of_kind(values_of("training"), "Deployment")
    claims = [
        volume["persistentVolumeClaim"]["claimName"]
        for name in ("training", "emotion")
        for volume in pod(deployments[name])["volumes"]
        if volume["name"] == "home"
    ]
    told = environment(deployments["training"])
    assert claims == [told["ORFEON_TRAINING_KUBERNETES__CLAIM"]] * 2
    # Two pods must not hold its database at once.
    assert deployments["training"]["spec"]["strategy"] == {"type": "Recreate"}
    names = {name: value for name, value in told.items() if name.startswith("ORFEON_")}
    with pytest.MonkeyPatch.context() as patch:
        for name, value in names.items():
            patch.setenv(name, value)
        settings = TrainingSettings()
    assert settings.runner == "kubernetes"
    assert settings.kubernetes.node_selector == {"nvidia.com/gpu.present": "true"}
    assert settings.bases == {"wav2vec2-base": "facebook/wav2vec2-base"}


def test_a_gpu_is_asked_for_tolerated_and_selected() -> None:
    chat = of_kind(values_of("gpu"), "Deployment")["chat"]
    assert container(chat)["resources"]["limits"]["nvidia.com/gpu"] == 1
    assert {"key": "nvidia.com/gpu", "operator": "Exists", "effect": "NoSchedule"} in pod(chat)[
        "tolerations"
    ]
    assert pod(chat)["nodeSelector"] == {"nvidia.com/gpu.product": "NVIDIA-L4"}
    assert pod(chat)["runtimeClassName"] == "nvidia"
    speech = container(of_kind(values_of("gpu"), "Deployment")["speech"])
    assert speech["resources"]["limits"]["nvidia.com/mig-1g.10gb"] == 1


@pytest.mark.parametrize(
    ("cpu", "slots", "threads"), [("2", 1, "2"), ("1500m", 1, "2"), ("4", 3, "1"), ("500m", 2, "1")]
)
def test_threads_are_the_cores_of_the_limit_over_the_slots(
    cpu: str, slots: int, threads: str
) -> None:
    speech = {"slots": slots, "resources": {"limits": {"cpu": cpu}}}
    told = environment(of_kind({"capabilities": {"speech": speech}}, "Deployment")["speech"])
    assert told["ORFEON_SPEECH_THREADS"] == told["OMP_NUM_THREADS"] == threads


@pytest.mark.parametrize("name", ["chat", "lyrics"])
def test_slots_that_decode_together_share_all_threads(name: str) -> None:
    told = environment(of_kind({}, "Deployment")[name])
    assert told[f"ORFEON_{name.upper()}_THREADS"] == told["OMP_NUM_THREADS"] == "2"


@pytest.mark.parametrize(
    ("name", "slots"), [("speech", SpeechSettings().slots), ("chat", ChatSettings().slots)]
)
def test_a_capability_has_the_slots_of_its_own_settings(name: str, slots: int) -> None:
    told = environment(of_kind({}, "Deployment")[name])
    assert told[f"ORFEON_{name.upper()}_SLOTS"] == str(slots)


def test_a_digest_goes_before_a_tag_and_both_after_the_registry() -> None:
    found = of_kind(values_of("triton"), "Deployment")
    assert container(found["gateway"])["image"].startswith(
        "registry.example.com/orfeon/orfeon-gateway@sha256:0123"
    )
    version = yaml.safe_load((CHART / "Chart.yaml").read_text("utf-8"))["appVersion"]
    assert container(found["chat"])["image"].endswith(f"/orfeon-chat:{version}")


def test_notes_say_how_to_ask() -> None:
    inside, outside = render({})["NOTES.txt"], render(values_of("gpu"))["NOTES.txt"]
    assert f"port-forward service/{RELEASE}-orfeon-gateway" in inside
    assert "https://orfeon.example.com/v1/models" in outside
    assert "Keys are not kept" in render(values_of("minimal"))["NOTES.txt"]


@pytest.mark.parametrize("template", sorted(CHART.glob("templates/**/*.*")), ids=lambda p: p.name)
def test_no_template_is_longer_than_one_reads_at_once(template: Path) -> None:
    assert len(template.read_text("utf-8").splitlines()) <= 80
