"""What KEDA asks, asked of Prometheus' own engine."""

import subprocess
from pathlib import Path

import yaml

from tests.contract.chart import of_kind
from tests.contract.promtool import case, promtool

VALUES = {
    "autoscaling": {"prometheusUrl": "http://prometheus.example.com:9090"},
    "capabilities": {"chat": {"autoscaling": {"by": "keda"}}},
}


def query() -> str:
    (trigger,) = of_kind(VALUES, "ScaledObject")["chat"]["spec"]["triggers"]
    found: str = trigger["metadata"]["query"]
    return found


def pending(pod: str, service: str = "prod-orfeon-chat", namespace: str = "ai") -> str:
    """A series as a pod shows it, with what a ServiceMonitor adds."""
    labels = {"capability": "chat", "namespace": namespace, "service": service, "pod": pod}
    inside = ",".join(f'{name}="{value}"' for name, value in labels.items())
    return f"orfeon_pending_requests{{{inside}}}"


def test_the_load_of_all_pods_of_the_release_is_added_up(tmp_path: Path) -> None:
    others = {
        pending("other", service="other-orfeon-chat"): "50x5",
        pending("elsewhere", namespace="there"): "50x5",
    }
    busy = {pending("one"): "3x5", pending("two"): "9x5", **others}
    cases = [
        case("busy", busy, [(query(), "5m", {"{}": 12})]),
        case("idle", {pending("one"): "0x5", **others}, [(query(), "5m", {"{}": 0})]),
        # No answer, which KEDA is told to take for a failure rather than for no load.
        case("not scraped", others, [(query(), "5m", {})]),
        # A pod that has gone is forgotten at once, not after Prometheus' five minutes.
        case("gone", {**busy, pending("two"): "9x2 stale"}, [(query(), "4m", {"{}": 3})]),
    ]
    file = tmp_path / "cases.yaml"
    file.write_text(yaml.safe_dump({"evaluation_interval": "1m", "tests": cases}), "utf-8")
    done = subprocess.run(
        [promtool(), "test", "rules", str(file)], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
