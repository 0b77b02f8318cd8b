"""A training as a Job of Kubernetes, in YAML's terms."""

import math
from pathlib import Path
from typing import Any

from services.training.runner import INTERRUPTED, Run
from services.training.settings import KubernetesSettings

CONTAINER = "trainer"
#: The user of our images.
_USER = 65532


def job_manifest(
    run: Run, settings: KubernetesSettings, home: Path, grace: float
) -> dict[str, Any]:
    """The Job: one pod, which is started anew where it was lost, not where the training failed."""
    labels = {
        "app.kubernetes.io/name": "orfeon",
        "app.kubernetes.io/component": "trainer",
        "app.kubernetes.io/part-of": "orfeon",
        **settings.labels,
        "orfeon/job": run.id,
    }
    return {
        "apiVersion": "batch/v1",
        "kind": "Job",
        "metadata": {"name": run.id, "labels": labels},
        "spec": {
            "backoffLimit": settings.backoff_limit,
            "ttlSecondsAfterFinished": settings.ttl_seconds,
            "completions": 1,
            "parallelism": 1,
            # A pod that is going must have left its checkpoint before another goes on from it.
            "podReplacementPolicy": "Failed",
            "podFailurePolicy": {
                "rules": [
                    {
                        "action": "Ignore",
                        "onPodConditions": [{"type": "DisruptionTarget", "status": "True"}],
                    },
                    # It said itself that it failed, or needs more memory than there is: once more
                    # would be the same. What it was interrupted in goes on.
                    {
                        "action": "FailJob",
                        "onExitCodes": {
                            "containerName": CONTAINER,
                            "operator": "NotIn",
                            "values": [0, INTERRUPTED],
                        },
                    },
                ]
            },
            "template": {
                "metadata": {"labels": labels},
                "spec": _pod(run, settings, home, math.ceil(grace)),
            },
        },
    }


def _pod(run: Run, settings: KubernetesSettings, home: Path, grace: int) -> dict[str, Any]:
    pod: dict[str, Any] = {
        "restartPolicy": "Never",
        "automountServiceAccountToken": False,
        "enableServiceLinks": False,
        "terminationGracePeriodSeconds": grace + 10,
        "securityContext": {
            "runAsNonRoot": True,
            "runAsUser": _USER,
            "runAsGroup": _USER,
            "fsGroup": _USER,
            "fsGroupChangePolicy": "OnRootMismatch",
            "seccompProfile": {"type": "RuntimeDefault"},
        },
        "containers": [_container(run, settings, home)],
        "volumes": [
            {"name": "home", "persistentVolumeClaim": {"claimName": settings.claim}},
            {"name": "tmp", "emptyDir": {}},
            {"name": "shm", "emptyDir": {"medium": "Memory", "sizeLimit": settings.shared_memory}},
        ],
    }
    tolerations = list(settings.tolerations)
    if settings.gpus:
        tolerations.append({"key": "nvidia.com/gpu", "operator": "Exists", "effect": "NoSchedule"})
    optional = {
        "serviceAccountName": settings.service_account,
        "runtimeClassName": settings.runtime_class,
        "priorityClassName": settings.priority_class,
        "nodeSelector": settings.node_selector,
        "tolerations": tolerations,
        "imagePullSecrets": [{"name": name} for name in settings.pull_secrets],
    }
    return pod | {name: value for name, value in optional.items() if value}


def _container(run: Run, settings: KubernetesSettings, home: Path) -> dict[str, Any]:
    gpus = {settings.gpu_resource: str(settings.gpus)} if settings.gpus else {}
    # Bases that are fetched from a hub are there for the next training.
    hub = str(home / "training" / "hub")
    environment = {"ORFEON_HOME": str(home), "HOME": "/tmp", "HF_HOME": hub, **settings.env}
    volume = {"name": "home", "mountPath": str(home)}
    if settings.sub_path:
        volume["subPath"] = settings.sub_path
    return {
        "name": CONTAINER,
        "image": settings.image,
        "imagePullPolicy": settings.pull_policy,
        "command": list(run.command),
        "workingDir": str(run.folder),
        "env": [{"name": name, "value": value} for name, value in environment.items()],
        "resources": {"requests": {**settings.requests}, "limits": {**settings.limits, **gpus}},
        "securityContext": {
            "allowPrivilegeEscalation": False,
            # The hooks that bring the GPU in need a root that can be written.
            "readOnlyRootFilesystem": not settings.gpus,
            "capabilities": {"drop": ["ALL"]},
        },
        "volumeMounts": [
            volume,
            {"name": "tmp", "mountPath": "/tmp"},
            {"name": "shm", "mountPath": "/dev/shm"},
        ],
    }
