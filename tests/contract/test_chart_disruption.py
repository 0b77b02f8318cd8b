"""How pods stay when nodes go, and who has a place on a full cluster."""

import hashlib

from tests.contract.chart import NAMESPACE, Object, objects, of_kind, pod

ON = {"enabled": True}
TWO = {"replicas": 2}


def test_a_budget_is_for_more_than_one_pod() -> None:
    assert of_kind({}, "PodDisruptionBudget") == {}
    scaled = {"autoscaling": {"by": "hpa"}}
    values = {
        "gateway": {"database": {"secretName": "database"}, **scaled},
        "triton": ON | TWO,
        "capabilities": {
            "chat": scaled,
            "emotion": TWO,
            "speech": TWO | {"podDisruptionBudget": {"enabled": False}},
        },
    }
    budgets = of_kind(values, "PodDisruptionBudget")
    assert set(budgets) == {"chat", "emotion", "gateway", "triton"}
    for component, budget in budgets.items():
        assert budget["spec"]["maxUnavailable"] == 1
        assert budget["spec"]["unhealthyPodEvictionPolicy"] == "AlwaysAllow"
        labels = of_kind(values, "Deployment")[component]["spec"]["template"]["metadata"]["labels"]
        assert budget["spec"]["selector"]["matchLabels"].items() <= labels.items()


def test_pods_of_one_component_are_spread() -> None:
    values = {"capabilities": {"chat": {"topologySpread": {"enabled": False}}}, "triton": ON}
    for component, deployment in of_kind(values, "Deployment").items():
        spread = pod(deployment).get("topologySpreadConstraints", [])
        assert len(spread) == (component != "chat")
        for rule in spread:
            assert rule["labelSelector"] == deployment["spec"]["selector"]
            assert rule["whenUnsatisfiable"] == "ScheduleAnyway"


def test_classes_are_made_for_the_release_and_used_by_its_pods() -> None:
    gpu = {"profile": "shared"}  # Which brings the arbiter.
    values = {"priorityClasses": {"create": True}, "triton": ON, "gpu": gpu}
    made = {
        each["metadata"]["name"]: each
        for each in objects(values)
        if each["kind"] == "PriorityClass"
    }
    of_namespace = hashlib.sha256(NAMESPACE.encode()).hexdigest()[:8]
    edge, serving, batch = (
        f"prod-orfeon-{role}-{of_namespace}" for role in ("edge", "serving", "batch")
    )
    assert set(made) == {edge, serving, batch}
    assert made[edge]["value"] > made[serving]["value"] > made[batch]["value"]
    assert made[batch]["preemptionPolicy"] == "Never"
    pods: dict[str, Object] = of_kind(values, "Deployment") | of_kind(values, "DaemonSet")
    for component, found in pods.items():
        expected = edge if component in ("gateway", "studio", "arbiter") else serving
        assert pod(found)["priorityClassName"] == expected


def test_a_class_of_ones_own_goes_before() -> None:
    own = {"capabilities": {"chat": {"priorityClassName": "mine"}}}
    for create in (False, True):
        values = own | {"priorityClasses": {"create": create}}
        assert pod(of_kind(values, "Deployment")["chat"])["priorityClassName"] == "mine"
    assert "priorityClassName" not in pod(of_kind(own, "Deployment")["lyrics"])
