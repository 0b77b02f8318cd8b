"""checkov and hadolint find nothing but what lint_skips.yaml says why we do not follow."""

import fnmatch
import json
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.contract.chart import CHART, FLAVOURS, NAMESPACE, ROOT, objects, values_of
from tests.contract.test_dockerfiles import DOCKERFILES, HADOLINT

SKIPS: dict[str, list[dict[str, str]]] = yaml.safe_load(
    (Path(__file__).parent / "lint_skips.yaml").read_text("utf-8")
)
#: It pins what we pin otherwise, so it has an environment of its own.
CHECKOV = Path(f"{sys.prefix}-checkov") / "bin" / "checkov"

Finding = tuple[str, str, str]


@pytest.fixture(scope="module")
def findings(tmp_path_factory: pytest.TempPathFactory) -> set[Finding]:
    """The rule, the object or Dockerfile, and what is wrong, of all flavours and Dockerfiles."""
    assert CHECKOV.exists(), f"{CHECKOV} is missing: `make .venv/.checkov` installs it."
    # Each object once, though several flavours have it, in the namespace that `helm install` names.
    texts = {
        json.dumps({**each, "metadata": {**each["metadata"], "namespace": NAMESPACE}})
        for flavour in FLAVOURS
        for each in objects(values_of(flavour))
    }
    folder = tmp_path_factory.mktemp("manifests")
    (folder / "all.yaml").write_text("\n---\n".join(sorted(texts)), "utf-8")
    done = subprocess.run(
        [
            str(CHECKOV), "--framework", "kubernetes", "--directory", str(folder),
            "--output", "json", "--quiet", "--compact", "--skip-download",
        ],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode in (0, 1), done.stderr
    report: dict[str, Any] = json.loads(done.stdout)
    assert report["summary"]["parsing_errors"] == 0
    assert report["summary"]["passed"] > 0
    return {
        (each["check_id"], _name(each["resource"]), each["check_name"])
        for each in report["results"]["failed_checks"]
    }


def _name(resource: str) -> str:
    """`Kind/name` of `Kind.namespace.name`, and of what stands for the pods of a workload."""
    kind, _, name = re.split(r"[./]", resource.partition(".app.kubernetes.io")[0], maxsplit=2)
    return f"{kind}/{name}"


def _skipped(finding: Finding) -> bool:
    rule, name, _ = finding
    return any(
        skip["rule"] == rule and fnmatch.fnmatch(name, skip["of"]) for skip in SKIPS["checkov"]
    )


def test_checkov_finds_nothing_else(findings: set[Finding]) -> None:
    assert sorted(each for each in findings if not _skipped(each)) == []


def test_every_skip_of_checkov_is_needed(findings: set[Finding]) -> None:
    for skip in SKIPS["checkov"]:
        matched = [
            name
            for rule, name, _ in findings
            if rule == skip["rule"] and fnmatch.fnmatch(name, skip["of"])
        ]
        assert matched, skip


@pytest.mark.parametrize("dockerfile", DOCKERFILES, ids=str)
def test_what_hadolint_is_told_to_ignore_is_needed(dockerfile: Path) -> None:
    lines = (ROOT / dockerfile).read_text("utf-8").splitlines()
    told = {
        # The line after the comment.
        (number + 2, rule)
        for number, line in enumerate(lines)
        if (found := re.fullmatch(r"# hadolint ignore=(\S+)", line))
        for rule in found[1].split(",")
    }
    done = subprocess.run(
        [HADOLINT, "--disable-ignore-pragma", "--format", "json", str(dockerfile)],
        cwd=ROOT, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert {(each["line"], each["code"]) for each in json.loads(done.stdout)} == told
    assert {rule for _, rule in told} <= {skip["rule"] for skip in SKIPS["hadolint"]}


def test_every_skip_of_hadolint_is_needed() -> None:
    told = " ".join((ROOT / each).read_text("utf-8") for each in DOCKERFILES)
    for skip in SKIPS["hadolint"]:
        assert re.search(rf"hadolint ignore=\S*\b{skip['rule']}\b", told), skip


def test_every_skip_has_a_reason() -> None:
    assert set(SKIPS) == {"checkov", "hadolint"}
    for skip in (each for skips in SKIPS.values() for each in skips):
        assert len(skip["reason"].split()) >= 4, skip


def test_no_linter_is_told_to_skip_elsewhere() -> None:
    assert not [*ROOT.glob(".hadolint*"), *ROOT.glob(".checkov*")]
    for path in (*CHART.glob("**/*.yaml"), *(ROOT / each for each in DOCKERFILES)):
        assert not re.search(r"checkov(:|\.io/)skip", path.read_text("utf-8")), path
