"""GPUs, and the Triton server that computes on them."""

from orfeon.slo.panels import Dashboard, Panel, Query, Row
from orfeon.slo.queries import NAMESPACE, mean, of, rate, total

_MICRO, _MEBI = "/ 1e6", "* 1048576"
_DONE = "nv_inference_request_success"

ACCELERATORS = Dashboard(
    "accelerators",
    "GPU and Triton",
    "Inferences on Triton, by its own metrics, and GPUs by those of Triton and of DCGM's exporter.",
    (
        Row(
            "Triton",
            (
                Panel(
                    "Inferences",
                    "Requests that succeeded, by model.",
                    "reqps",
                    (Query(rate(_DONE, "model"), "{{model}}"),),
                ),
                Panel(
                    "Failures",
                    "Requests that failed, by model and reason.",
                    "reqps",
                    (
                        Query(
                            rate("nv_inference_request_failure", "model, reason"),
                            "{{model}}: {{reason}}",
                        ),
                    ),
                ),
                Panel(
                    "Time in the queue",
                    "Mean time that a request waited in the server.",
                    "s",
                    (
                        Query(
                            mean("nv_inference_queue_duration_us", _DONE, "model") + f" {_MICRO}",
                            "{{model}}",
                        ),
                    ),
                ),
                Panel(
                    "Time at work",
                    "Mean time that the model computed for a request.",
                    "s",
                    (
                        Query(
                            mean("nv_inference_compute_infer_duration_us", _DONE, "model")
                            + f" {_MICRO}",
                            "{{model}}",
                        ),
                    ),
                ),
                Panel(
                    "Batches",
                    "Inferences computed together.",
                    "none",
                    (
                        Query(
                            mean("nv_inference_count", "nv_inference_exec_count", "model"),
                            "{{model}}",
                        ),
                    ),
                ),
                Panel(
                    "Pending",
                    "Requests that wait in the server.",
                    "short",
                    (Query(total("nv_inference_pending_request_count", "model"), "{{model}}"),),
                ),
                Panel(
                    "Processor of the server",
                    "Share of the processors' time, and memory that is used.",
                    "percentunit",
                    (
                        Query(of("nv_cpu_utilization"), "processor"),
                        Query(
                            f"{of('nv_cpu_memory_used_bytes')} / {of('nv_cpu_memory_total_bytes')}",
                            "memory",
                        ),
                    ),
                ),
            ),
        ),
        Row(
            "GPUs",
            (
                Panel(
                    "At work",
                    "Share of the time in which a GPU did anything at all, as Triton sees it.",
                    "percentunit",
                    (Query(of("nv_gpu_utilization"), "{{gpu_uuid}}"),),
                ),
                Panel(
                    "Memory",
                    "Share of a GPU's memory that is taken, as Triton sees it.",
                    "percentunit",
                    (
                        Query(
                            f"{of('nv_gpu_memory_used_bytes')} / {of('nv_gpu_memory_total_bytes')}",
                            "{{gpu_uuid}}",
                        ),
                    ),
                ),
                Panel(
                    "Tensor cores",
                    "Share of the time in which they worked: what computing well looks like.",
                    "percentunit",
                    (Query("DCGM_FI_PROF_PIPE_TENSOR_ACTIVE", "{{Hostname}} {{gpu}}"),),
                ),
                Panel(
                    "Memory by DCGM",
                    "Memory that is taken.",
                    "bytes",
                    (Query(f"DCGM_FI_DEV_FB_USED {_MEBI}", "{{Hostname}} {{gpu}}"),),
                ),
                Panel(
                    "Temperature",
                    "Of each GPU.",
                    "celsius",
                    (Query("DCGM_FI_DEV_GPU_TEMP", "{{Hostname}} {{gpu}}"),),
                ),
                Panel(
                    "Power",
                    "That each GPU takes.",
                    "watt",
                    (Query("DCGM_FI_DEV_POWER_USAGE", "{{Hostname}} {{gpu}}"),),
                ),
                Panel(
                    "Xid errors",
                    "The last fault that the driver reported, by number; 0 is none.",
                    "none",
                    (Query("DCGM_FI_DEV_XID_ERRORS", "{{Hostname}} {{gpu}}"),),
                ),
            ),
        ),
    ),
    (NAMESPACE,),
)
