"""Traces made of logs."""

import json

from bench.simulation.record import trace


def line(time: str, key: str, waited: float, seconds: float, message: str = "turn ended") -> str:
    said = {"time": f"2026-11-21T10:00:{time}+00:00", "message": message, "key": key,
            "model": "m", "priority": 1, "waited": waited, "seconds": seconds}  # fmt: skip
    return json.dumps(said)


def test_requests_of_several_logs_come_in_the_order_of_their_arrival() -> None:
    chat = [line("10.000", "key_a", 2.0, 1.0), "not json", line("11.000", "key_b", 0.5, 0.5)]
    speech = [line("10.500", "key_b", 0.0, 4.5), line("12.000", "x", 0, 0, "call ended")]
    rows = trace([chat, speech])
    assert [(row["arrival"], row["key"], row["seconds"]) for row in rows] == [
        (0.0, 0, 4.5),
        (1.0, 1, 1.0),
        (4.0, 0, 0.5),
    ]


def test_a_log_without_requests_makes_an_empty_trace() -> None:
    assert trace([["nothing"]]) == []
