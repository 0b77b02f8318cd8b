"""Metrics of programs that cannot run here, by the documents of those who make them."""

from collections.abc import Mapping

#: By why they cannot: there is no GPU.
WITHOUT_GPU: Mapping[str, frozenset[str]] = {
    # NVIDIA/dcgm-exporter: etc/default-counters.csv, and etc/dcp-metrics-included.csv for the last.
    "DCGM's exporter needs a GPU": frozenset(
        {
            "DCGM_FI_DEV_FB_USED",
            "DCGM_FI_DEV_GPU_TEMP",
            "DCGM_FI_DEV_POWER_USAGE",
            "DCGM_FI_DEV_XID_ERRORS",
            "DCGM_FI_PROF_PIPE_TENSOR_ACTIVE",
        }
    ),
    # triton-inference-server/server: docs/user_guide/metrics.md, "GPU metrics".
    "Triton shows these of a GPU alone": frozenset(
        {"nv_gpu_utilization", "nv_gpu_memory_used_bytes", "nv_gpu_memory_total_bytes"}
    ),
}
ABSENT = frozenset().union(*WITHOUT_GPU.values())
