"""What a container counts of work and jobs."""

import pytest

from services.runtime.telemetry import JobMetrics, ServiceMetrics


@pytest.mark.parametrize(
    ("capability", "metric"),
    [("chat", "orfeon_tokens_total"), ("melody", "orfeon_audio_seconds_total")],
)
def test_work_is_counted_in_the_capabilitys_unit(capability: str, metric: str) -> None:
    metrics = ServiceMetrics(capability, "1")
    metrics.worked("task", 12.5)
    metrics.worked("task", 2.5)
    labels = {"capability": capability, "task": "task"}
    assert metrics.registry.get_sample_value(metric, labels) == 15


def test_work_without_a_unit_is_not_counted() -> None:
    metrics = ServiceMetrics("images", "1")
    metrics.worked("generation", 3.0)
    assert metrics.registry.get_sample_value("orfeon_tokens_total") is None


def test_a_container_says_whose_it_is() -> None:
    labels = {"version": "1", "capability": "lyrics"}
    found = ServiceMetrics("lyrics", "1").registry.get_sample_value("orfeon_build_info", labels)
    assert found == 1


def test_jobs_are_counted_from_zero_on() -> None:
    service = ServiceMetrics("song", "1")
    jobs = JobMetrics(service, "song")
    value = service.registry.get_sample_value
    labels = {"capability": "song", "priority": "2"}
    assert value("orfeon_jobs_total", labels | {"outcome": "failed"}) == 0
    jobs.ended(2, 40.0, succeeded=False)
    assert value("orfeon_jobs_total", labels | {"outcome": "failed"}) == 1
    assert value("orfeon_job_duration_seconds_bucket", labels | {"le": "60.0"}) == 1
    assert value("orfeon_job_duration_seconds_bucket", labels | {"le": "30.0"}) == 0
