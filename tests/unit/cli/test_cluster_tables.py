from orfeon.cli import cluster_tables
from orfeon.cluster.nodes import Gpu, Node, Taint
from orfeon.cluster.pods import Pod
from tests.unit.cli.test_residency import drawn


def test_nodes_show_what_is_free() -> None:
    gpus = (Gpu("nvidia.com/gpu", "whole", 4, 1), Gpu("nvidia.com/mig-1g.10gb", "mig", 7, None))
    found = [
        Node("a", True, "amd64", "8", "32Gi", "L4", True, gpus, (Taint("team", "", "NoSchedule"),)),
        Node("b", False, "", "4", "8Gi", "", False),
    ]
    (_, first, second) = drawn(cluster_tables.nodes(found))
    assert first == [
        "a", "yes", "amd64", "8", "32Gi", "1 of 4 nvidia.com/gpu, ? of 7 nvidia.com/mig-1g.10gb",
        "L4", "team",
    ]  # fmt: skip
    assert second == ["b", "no", "-", "4", "8Gi", "-", "-", "-"]


def test_pods_show_where_they_are() -> None:
    found = [Pod("p-0", "prod", "chat", "", False, "Pending", 3, {"nvidia.com/gpu": 1}, 120.0)]
    assert drawn(cluster_tables.pods(found))[1] == [
        "chat", "p-0", "-", "no", "Pending", "3", "1 nvidia.com/gpu", "2 min"
    ]  # fmt: skip
