"""The whole check of a cluster: what there is, what is missing, which values to set."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from orfeon.cluster import basics, edges, gpus, monitoring
from orfeon.cluster.api import Api
from orfeon.cluster.facts import Facts, gather
from orfeon.cluster.findings import Finding, Values, merged, secrets_named


@dataclass(frozen=True)
class Check:
    """What a cluster has and lacks. `values` are for the chart, those that were given in them."""

    facts: Facts
    findings: tuple[Finding, ...]
    values: Values

    @property
    def is_ready(self) -> bool:
        """Whether a release with these values would work, as far as could be seen."""
        return all(finding.level != "missing" for finding in self.findings)


def check(api: Api, given: Mapping[str, Any], host: str = "") -> Check:
    """Looks at a cluster with the values that somebody means to install. Raises `Fault`."""
    named = {edges.TLS_SECRET, *secrets_named(given).values()}
    return judge(gather(api, sorted(named)), given, host)


def judge(facts: Facts, given: Mapping[str, Any], host: str = "") -> Check:
    """What facts mean for values."""
    values: Values = {}
    for part in (
        gpus.values(facts, given),
        edges.values(facts, given, host),
        monitoring.values(facts),
        basics.values(facts),
        given,
    ):
        values = merged(values, part)
    found = [
        *basics.findings(facts, values),
        *gpus.findings(facts, values),
        *edges.findings(facts, values),
        *monitoring.findings(facts, values),
    ]
    return Check(facts, tuple(found), values)
