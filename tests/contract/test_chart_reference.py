"""Every value of the chart is described, written down in VALUES.md, and read by some template."""

import re

from scripts.values_reference import TARGET, VALUES, reference, undocumented, values
from tests.contract.chart import CHART

TEMPLATES = "\n".join(
    re.sub(r"\{\{-?\s*/\*.*?\*/\s*-?\}\}", "", path.read_text("utf-8"), flags=re.S)
    for path in sorted(CHART.glob("templates/**/*.*"))
)
#: Keys whose whole value is handed on, with what is below it.
HANDED_ON = {
    *re.findall(r"(?:toYaml|toJson|range|deepCopy|tpl) [^}|]*?\.(\w+)", TEMPLATES),
    *re.findall(r"range [^}]*:= [^}]*?\.(\w+)", TEMPLATES),
}
#: Maps of which a template takes the key that another value names.
INDEXED = {"capabilities", "gpu", "networkPolicy"}


def _read(path: tuple[str, ...]) -> bool:
    """Whether a template names the key, or hands on one above it."""
    named = re.search(rf'(\.|"){path[-1]}\b', TEMPLATES)
    return bool(named) or bool(HANDED_ON & set(path[1:-1])) or bool(INDEXED & set(path[-2:-1]))


def test_the_reference_is_what_the_values_say() -> None:
    found = values(VALUES.read_text("utf-8"))
    assert undocumented(found) == []
    assert TARGET.read_text("utf-8") == reference(found), "scripts/values_reference.py --write"


def test_every_value_is_read_by_a_template() -> None:
    found = values(VALUES.read_text("utf-8"))
    assert [".".join(each.path) for each in found if not _read(each.path)] == []


def test_what_no_template_reads_would_be_found() -> None:
    assert not _read(("gateway", "noSuchValue"))


def test_a_value_is_described_by_the_comment_above_it() -> None:
    text = """
# A heading, which describes nothing.

# -- What all are.
all:
  # -- The first,
  # which goes on.
  first: 1
  # No description.
  second: [a,
           b]
"""
    found = {".".join(each.path): (each.default, each.said) for each in values(text)}
    assert found == {
        "all": ("", "What all are."),
        "all.first": ("1", "The first, which goes on."),
        "all.second": ("[a, b]", ""),
    }
    assert undocumented(values(text)) == ["all.second"]
