"""Every pod of every flavour, and of trainings, is let into a namespace that is "restricted"."""

import copy
from pathlib import Path
from typing import Any

import pytest

from services.training.manifest import job_manifest
from services.training.runner import Run
from services.training.settings import KubernetesSettings
from tests.contract.chart import EVERY_FLAVOUR, Object, pod_templates, values_of
from tests.contract.pod_security import CONTROLS, containers, violations

#: Meets every control.
GOOD: Object = {
    "spec": {
        "securityContext": {"runAsNonRoot": True, "seccompProfile": {"type": "RuntimeDefault"}},
        "containers": [
            {
                "name": "a",
                "securityContext": {
                    "allowPrivilegeEscalation": False,
                    "capabilities": {"drop": ["ALL"]},
                },
            }
        ],
    }
}
ESCALATES = {"name": "b", "securityContext": {"allowPrivilegeEscalation": True}}
CONTEXT = ("spec", "containers", 0, "securityContext")
#: By the name of the control: where GOOD is changed, and to what.
BAD: dict[str, list[tuple[tuple[str | int, ...], Any]]] = {
    "host_process": [((*CONTEXT, "windowsOptions"), {"hostProcess": True})],
    "host_namespaces": [(("spec", field), True) for field in ("hostNetwork", "hostPID", "hostIPC")],
    "privileged": [((*CONTEXT, "privileged"), True)],
    "capabilities": [
        ((*CONTEXT, "capabilities"), {"drop": ["NET_RAW"]}),
        ((*CONTEXT, "capabilities"), {"drop": ["ALL"], "add": ["SYS_ADMIN"]}),
        (CONTEXT, {"allowPrivilegeEscalation": False}),
    ],
    "host_ports": [
        (("spec", "containers", 0, "ports"), [{"containerPort": 1, "hostPort": 1}]),
    ],
    "host_probes": [
        (("spec", "containers", 0, "livenessProbe"), {"httpGet": {"port": 1, "host": "10.0.0.1"}}),
        (("spec", "containers", 0, "readinessProbe"), {"tcpSocket": {"port": 1, "host": "a"}}),
        (("spec", "containers", 0, "lifecycle"), {"preStop": {"httpGet": {"host": "a"}}}),
    ],
    "apparmor": [
        ((*CONTEXT, "appArmorProfile"), {"type": "Unconfined"}),
        (
            ("metadata",),
            {"annotations": {"container.apparmor.security.beta.kubernetes.io/a": "unconfined"}},
        ),
    ],
    "selinux": [
        ((*CONTEXT, "seLinuxOptions"), {"type": "spc_t"}),
        (("spec", "securityContext", "seLinuxOptions"), {"user": "system_u"}),
    ],
    "proc_mount": [((*CONTEXT, "procMount"), "Unmasked")],
    "sysctls": [
        (("spec", "securityContext", "sysctls"), [{"name": "kernel.msgmax", "value": "1"}]),
    ],
    "volume_types": [
        (("spec", "volumes"), [{"name": "a", kind: {}}])
        for kind in ("hostPath", "nfs", "iscsi", "gitRepo")
    ],
    "privilege_escalation": [
        ((*CONTEXT, "allowPrivilegeEscalation"), True),
        (CONTEXT, {"capabilities": {"drop": ["ALL"]}}),
        (("spec", "initContainers"), [ESCALATES]),
        (("spec", "ephemeralContainers"), [ESCALATES]),
    ],
    "non_root": [
        ((*CONTEXT, "runAsNonRoot"), False),
        (("spec", "securityContext", "runAsNonRoot"), False),
        (("spec", "securityContext"), {"seccompProfile": {"type": "RuntimeDefault"}}),
    ],
    "non_root_user": [
        ((*CONTEXT, "runAsUser"), 0),
        (("spec", "securityContext", "runAsUser"), 0),
    ],
    "seccomp": [
        ((*CONTEXT, "seccompProfile"), {"type": "Unconfined"}),
        (("spec", "securityContext"), {"runAsNonRoot": True}),
    ],
}


def changed(place: tuple[str | int, ...], value: Any) -> Object:
    """GOOD with another value at a place."""
    made: Any = copy.deepcopy(GOOD)
    below = made
    for key in place[:-1]:
        below = below[key]
    below[place[-1]] = value
    whole: Object = made
    return whole


def test_the_good_one_is_good() -> None:
    assert violations(GOOD) == []


@pytest.mark.parametrize("control", CONTROLS, ids=lambda control: control.__name__)
def test_each_control_refuses_what_it_is_there_for(control: Any) -> None:
    for place, value in BAD[control.__name__]:
        assert list(control(changed(place, value))), (place, value)


@EVERY_FLAVOUR
def test_every_pod_is_let_into_a_restricted_namespace(flavour: str) -> None:
    templates = pod_templates(values_of(flavour))
    assert templates
    found = {name: violations(template) for name, template in templates.items()}
    assert {name: sentences for name, sentences in found.items() if sentences} == {}


@EVERY_FLAVOUR
def test_no_container_writes_to_its_root_but_those_with_a_gpu(flavour: str) -> None:
    """Which hooks of the container runtime bring in."""
    for name, template in pod_templates(values_of(flavour)).items():
        for each in containers(template):
            limits = each["resources"].get("limits", {})
            on_gpu = any(resource.startswith("nvidia.com/") for resource in limits)
            on_gpu |= "claims" in each["resources"]
            on_gpu |= {"name": "NVIDIA_VISIBLE_DEVICES", "value": "all"} in each.get("env", [])
            assert each["securityContext"]["readOnlyRootFilesystem"] is not on_gpu, name


@pytest.mark.parametrize("gpus", [0, 1])
def test_trainings_are_let_into_a_restricted_namespace(gpus: int) -> None:
    settings = KubernetesSettings(image="a:1", claim="b", gpus=gpus)
    run = Run(id="r", command=["true"], folder=Path("/var/lib/orfeon/r"))
    job = job_manifest(run, settings, Path("/var/lib/orfeon"), 30)
    assert violations(job["spec"]["template"]) == []
