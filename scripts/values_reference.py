"""Writes charts/orfeon/VALUES.md: every value of the chart, its default and what it does.

    python scripts/values_reference.py --write
    python scripts/values_reference.py --check

What a value does is said in values.yaml, in the comment above it that begins with `# --`.
"""

import argparse
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import yaml

CHART = Path(__file__).resolve().parent.parent / "charts" / "orfeon"
VALUES, TARGET = CHART / "values.yaml", CHART / "VALUES.md"

#: Values that mean the same wherever they are; a comment of their own goes before.
COMMON = {
    "affinity": "Rules of Kubernetes for where pods run.",
    "count": "How many of the resource a pod takes.",
    "enabled": "Whether it is there.",
    "env": "Environment by plain value: `NAME: value`.",
    "image": "Repository, tag and digest of the image.",
    "limits": "What a container may take at most.",
    "maxReplicas": "Pods at most.",
    "minReplicas": "Pods at least.",
    "nodeSelector": "Labels of the nodes that pods may run on.",
    "podAnnotations": "Annotations of the pods.",
    "podDisruptionBudget": "Pods that may be missing at once while nodes are drained.",
    "ports": "Their ports.",
    "preStopSeconds": "Seconds between leaving the Service and being told to stop.",
    "priorityClassName": "PriorityClass of the pods.",
    "pullPolicy": "When images are pulled: Always, IfNotPresent or Never.",
    "repository": "Name of the image, below image.registry.",
    "requests": "What a container asks for.",
    "resources": "What a container asks for, and may take at most.",
    "runtimeClassName": "RuntimeClass of the pods.",
    "secretEnv": "Environment by reference: `NAME: {secretName, secretKey}`.",
    "secretKey": "Key in that secret.",
    "size": "Size of the claim.",
    "sizeLimit": "What it may grow to.",
    "storageClass": "Storage class of the claim; empty means the cluster's default.",
    "to": "Peers, as in a NetworkPolicy.",
    "tokenSecretKey": "Key in that secret.",
    "tolerations": "Taints of nodes that pods may run on.",
}


@dataclass(frozen=True)
class Value:
    """A key of values.yaml. `default` is empty for one that holds others."""

    path: tuple[str, ...]
    default: str
    said: str


def values(text: str) -> list[Value]:
    """All keys of values.yaml in their order."""
    root = yaml.compose(text, yaml.CSafeLoader)
    if not isinstance(root, yaml.MappingNode):
        raise SystemExit("values.yaml holds no keys.")
    # What ends with the file ends on the line behind it.
    return list(_below(root, (), [*text.splitlines(), ""]))


def _below(node: yaml.MappingNode, path: tuple[str, ...], lines: list[str]) -> Iterator[Value]:
    for key, below in node.value:
        here = (*path, str(key.value))
        said = _comment(lines, key.start_mark.line)
        if isinstance(below, yaml.MappingNode) and _holds(below, key.start_mark.line, lines):
            yield Value(here, "", said)
            yield from _below(below, here, lines)
        else:
            first, last = below.start_mark, below.end_mark
            default = "\n".join(lines[first.line : last.line + 1])
            end = len(default) - len(lines[last.line]) + last.column
            default = " " * first.column + default[first.column : end]
            if "\n" in default.strip():
                inside = yaml.safe_load(default)
                default = yaml.safe_dump(inside, default_flow_style=True, width=10**6)
            default = default.strip()
            yield Value(here, default, said or _common(here))


def _holds(node: yaml.MappingNode, line: int, lines: list[str]) -> bool:
    """Whether keys below are values of their own. What is written on the line of its key is one
    value, and so is a map of such that says nothing of each."""
    if node.start_mark.line == line:
        return False
    return any(
        _comment(lines, key.start_mark.line)
        or not isinstance(below, yaml.MappingNode)
        or below.start_mark.line > key.start_mark.line
        for key, below in node.value
    )


def _common(path: tuple[str, ...]) -> str:
    if len(path) > 2 and path[0] == "capabilities":
        return "Instead of `capabilityDefaults." + ".".join(path[2:]) + "`."
    return COMMON.get(path[-1], "")


def _comment(lines: list[str], line: int) -> str:
    """What stands above a line, from `# --` on."""
    above: list[str] = []
    while line > 0 and lines[line - 1].lstrip().startswith("#"):
        line -= 1
        above.insert(0, lines[line].strip().removeprefix("#").strip())
        if above[0].startswith("-- "):
            return " ".join(above).removeprefix("-- ")
    return ""


def undocumented(found: list[Value]) -> list[str]:
    """The paths of values of which nothing is said."""
    return [".".join(each.path) for each in found if each.default and not each.said]


def reference(found: list[Value]) -> str:
    """VALUES.md."""
    lines = [
        "# Values of the chart",
        "",
        "Written by `scripts/values_reference.py --write` from [values.yaml](values.yaml).",
    ]
    top = ""
    for each in found:
        if each.path[0] != top:
            top = each.path[0]
            lines += ["", f"## {top}", ""]
            if not each.default:
                lines += [each.said, ""] if each.said else []
            lines += ["| value | default | what it does |", "|---|---|---|"]
        if each.default:
            lines.append(
                f"| `{'.'.join(each.path)}` | {_code(each.default)} | {_cell(each.said)} |"
            )
        elif each.said and len(each.path) > 1:
            lines.append(f"| **`{'.'.join(each.path)}`** | | {_cell(each.said)} |")
    return "\n".join(lines) + "\n"


def _code(default: str) -> str:
    short = default if len(default) <= 80 else default[:70] + "..."
    return f"`{_cell(short)}`"


def _cell(text: str) -> str:
    return text.replace("|", "\\|").replace("<", "&lt;")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    way = parser.add_mutually_exclusive_group(required=True)
    way.add_argument("--write", action="store_true")
    way.add_argument("--check", action="store_true")
    write = parser.parse_args().write
    found = values(VALUES.read_text("utf-8"))
    if missing := undocumented(found):
        sys.exit("values.yaml says nothing of " + ", ".join(missing) + ": add `# -- ...` above.")
    text = reference(found)
    if write:
        TARGET.write_text(text, "utf-8")
    elif not TARGET.exists() or TARGET.read_text("utf-8") != text:
        sys.exit(f"{TARGET.name} is not what values.yaml says: `{sys.argv[0]} --write` writes it.")


if __name__ == "__main__":
    main()
