"""Queries of panels. All are of the namespaces that are chosen at the top."""

from orfeon.slo.panels import Query, Variable
from orfeon.slo.rules import selector

#: Chosen at the top of every dashboard.
NAMESPACE = Variable("namespace", "orfeon_build_info")

_INTERVAL = "$__rate_interval"


def of(metric: str, **labels: str) -> str:
    """A metric where it has these labels; a name that ends with `_in` takes an expression."""
    return metric + selector(namespace_in="$namespace", **labels)


def rate(metric: str, by: str, interval: str = _INTERVAL, **labels: str) -> str:
    """How fast a counter grows, a second, summed by some labels."""
    return f"sum by ({by}) (rate({of(metric, **labels)}[{interval}]))"


def increase(metric: str, by: str, interval: str, **labels: str) -> str:
    """How much a counter has grown over an interval."""
    return f"sum by ({by}) (increase({of(metric, **labels)}[{interval}]))"


def total(metric: str, by: str, **labels: str) -> str:
    """A gauge, summed by some labels."""
    return f"sum by ({by}) ({of(metric, **labels)})"


def mean(sums: str, counts: str, by: str, **labels: str) -> str:
    """What one event took, from counters of seconds and of events."""
    return f"{rate(sums, by, **labels)} / {rate(counts, by, **labels)}"


def quantiles(
    metric: str, by: str, legend: str, shares: tuple[float, ...] = (0.95,), **labels: str
) -> tuple[Query, ...]:
    """What so many of the durations of a histogram stay below, seconds."""
    groups = f"le, {by}" if by else "le"
    return tuple(
        Query(
            f"histogram_quantile({share}, {rate(metric + '_bucket', groups, **labels)})",
            f"{legend} p{share * 100:g}".strip(),
        )
        for share in shares
    )


def or_none(expression: str) -> str:
    """A zero where nothing of the kind has ever happened."""
    return f"{expression} or vector(0)"
