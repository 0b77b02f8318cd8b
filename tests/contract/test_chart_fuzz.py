"""Whatever the values, the chart renders what a cluster can read, or says what to change."""

import copy
import json
import re
from typing import Any

import helm_python as helm
import yaml
from hypothesis import Phase, example, given, note, settings
from hypothesis import strategies as st

from tests.contract.chart import CHART, FLAVOURS, NAMESPACE, RELEASE, Object, values_of
from tests.contract.chart_strategy import spoilt, values
from tests.contract.test_chart_schemas import VERSIONS, validate
from tests.fakes.virtual import looking

#: What `fail` of a template says, as against a template that stumbles.
SENTENCE = re.compile(r"execution error at \([^)]+\): (?!.*error calling)\w.*\.", re.S)


class Loader(yaml.CSafeLoader):
    """Refuses a key that is there twice, of which YAML's own takes the last."""


def _mapping(loader: Loader, node: yaml.MappingNode) -> dict[Any, Any]:
    keys = [loader.construct_object(key, deep=True) for key, _ in node.value]
    assert len(keys) == len(set(keys)), f"A key is there twice: {keys}"
    return loader.construct_mapping(node, deep=True)


Loader.add_constructor("tag:yaml.org,2002:map", _mapping)


def rendered(given_values: dict[str, Any]) -> list[Object] | None:
    """The objects, or None where the chart said what to change. Raises for all else."""
    with helm.Chart.load(CHART) as chart:
        try:
            chart.validate_schema(chart.merge_values(given_values))
            texts = chart.render(given_values, name=RELEASE, namespace=NAMESPACE)
        except helm.HelmValuesError:
            return None
        except helm.HelmRenderError as refusal:
            if not SENTENCE.fullmatch(str(refusal)):
                raise
            return None
    return [
        each
        for name, text in texts.items()
        if name.endswith(".yaml")
        for each in yaml.load_all(text, Loader)
        if each is not None
    ]


def merged(below: Any, above: Any) -> Any:
    """As Helm lays the values of a file over others."""
    if not (isinstance(below, dict) and isinstance(above, dict)):
        return above
    return {
        **below,
        **{
            name: merged(below[name], each) if name in below else each
            for name, each in above.items()
        },
    }


# What fails is shown as it was found: to make it smaller would take minutes.
@settings(looking(40), phases=[Phase.explicit, Phase.generate])
@given(st.sampled_from(sorted(FLAVOURS)), st.one_of(values(), values(), spoilt()))
@example("cpu", {"helmTest": {"secretName": "2026-11-22", "secretKey": "1e3"}})
@example("cpu", {"gateway": {"env": {"Y": "no"}, "persistence": {"existingClaim": "null"}}})
@example("cpu", {"gateway": {"database": {"secretName": "1e3", "secretKey": "true"}}})
@example("cpu", {"fullnameOverride": "true"})
@example("training", {"serviceAccount": {"name": "6", "training": "7"}})
@example("cpu", {"arbiter": None})
def test_any_values_render_what_a_cluster_reads_or_are_refused_with_a_sentence(
    flavour: str, changed: dict[str, Any]
) -> None:
    note(f"{flavour}: {changed}")
    found = rendered(merged(copy.deepcopy(values_of(flavour)), changed))
    if found is None:
        return
    assert found
    names = [(each["kind"], each["metadata"]["name"]) for each in found]
    assert len(names) == len(set(names))
    for each in found:
        # What needs a newer Kubernetes than the oldest says so in values.yaml.
        validate(each, VERSIONS[-1])
        assert re.fullmatch(r"[a-z0-9]([-a-z0-9.]{0,251}[a-z0-9])?", each["metadata"]["name"])
        for value in each["metadata"].get("labels", {}).values():
            assert re.fullmatch(r"([A-Za-z0-9]([-A-Za-z0-9_.]{0,61}[A-Za-z0-9])?)?", value)
        # A number of a million that went through a template unguarded.
        assert not re.search(r"\b\d(\.\d+)?e\+\d\d\b", json.dumps(each)), each
