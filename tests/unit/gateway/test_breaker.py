from gateway.breaker import Breaker


def test_what_has_failed_is_tried_by_one_caller_a_second() -> None:
    now = 100.0
    breaker = Breaker(1.0, clock=lambda: now)
    assert [breaker.allows() for _ in range(3)] == [True, True, True]
    breaker.failed()
    assert (breaker.broken, breaker.resting, breaker.allows()) == (True, True, False)
    now += 1.0
    assert not breaker.resting
    assert [breaker.allows() for _ in range(3)] == [True, False, False]
    breaker.failed()
    now += 0.5
    assert not breaker.allows()
    now += 0.5
    assert breaker.allows()
    breaker.worked()
    assert (breaker.broken, breaker.allows(), breaker.allows()) == (False, True, True)
