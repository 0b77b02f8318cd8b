"""Which requests count as work, and how they ended."""

import pytest

from gateway.exchange import Exchange
from gateway.keystore import ApiKey
from gateway.metrics import GatewayMetrics
from gateway.operations import OPERATIONS, Operation, level_of, outcome_of
from gateway.rpc.methods import METHODS
from orfeon.slo.objectives import FIRST_OUTPUT, LATENCY, LEVELS, OUTCOMES

KNOWN = {(each.capability, each.name) for each in OPERATIONS.values()}


def test_every_metered_method_of_grpc_is_work_of_its_capability() -> None:
    metered = {(path, method.capability) for path, method in METHODS.items() if method.metered}
    found = {
        (path, each.capability) for (method, path), each in OPERATIONS.items() if method == "GRPC"
    }
    assert found == metered


def test_what_is_promised_is_promised_of_operations_that_there_are() -> None:
    assert {*FIRST_OUTPUT, *LATENCY} <= KNOWN


@pytest.mark.parametrize(
    ("status", "error", "level", "outcome"),
    [
        (200, "", 1, "ok"),
        (101, "", 1, "ok"),
        (200, "internal_error", 1, "error"),
        (200, "cancelled", 0, "left"),
        (499, "", 1, "left"),
        (429, "overloaded", 0, "error"),
        (429, "overloaded", 1, "error"),
        (429, "overloaded", 2, "shed"),
        (429, "rate_limit_exceeded", 0, "refused"),
        (503, "model_loading", 2, "error"),
        (503, "service_unavailable_error", 0, "error"),
        (504, "deadline_exceeded", 1, "error"),
        (507, "insufficient_storage", 1, "error"),
        (400, "invalid_request_error", 1, "refused"),
        (401, "invalid_api_key", 1, "refused"),
        (413, "content_too_large", 1, "refused"),
        (500, "", 1, "error"),
    ],
)
def test_outcomes(status: int, error: str, level: int, outcome: str) -> None:
    assert outcome_of(status, error, level) == outcome


def test_a_level_is_the_one_applied_or_what_is_known_of_it() -> None:
    key = ApiKey("k", "k", "", 1, frozenset(), 0.0)
    assert level_of(Exchange("r", priority=2, wanted_priority=0)) == 2
    assert level_of(Exchange("r")) == 1
    assert level_of(Exchange("r", wanted_priority=0)) == 0
    assert level_of(Exchange("r", wanted_priority=0, key=key)) == 1


def test_metrics_of_a_capability_are_there_from_the_start_and_never_more() -> None:
    metrics = GatewayMetrics("1", ["lyrics"])
    before, _ = metrics.page()
    assert b'outcome="shed",priority="2"} 0.0' in before
    assert b'capability="chat"' not in before
    rows = [line for line in before.splitlines() if line.startswith(b"orfeon_gateway_requests_t")]
    assert len(rows) == len(LEVELS) * len(OUTCOMES)
    for level in LEVELS:
        for outcome in OUTCOMES:
            metrics.worked(Operation("lyrics", "lyrics"), level, outcome, 2.0, 0.5)
    assert len(metrics.page()[0].splitlines()) == len(before.splitlines())


def test_only_what_was_done_has_a_duration_and_only_streams_a_first_output() -> None:
    metrics = GatewayMetrics("1", ["chat"])
    metrics.worked(Operation("chat", "chat"), 0, "error", 9.0, None)
    metrics.worked(Operation("chat", "chat"), 0, "ok", 3.0, 0.7)
    labels = {"capability": "chat", "operation": "chat", "priority": "0"}
    value = metrics.registry.get_sample_value
    assert value("orfeon_gateway_request_duration_seconds_count", labels) == 1
    first = "orfeon_gateway_time_to_first_output_seconds_bucket"
    assert value(first, labels | {"le": "0.5"}) == 0
    assert value(first, labels | {"le": "1.0"}) == 1
