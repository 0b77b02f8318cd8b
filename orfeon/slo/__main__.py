"""Writes what is made of the promises, or refuses what differs: `python -m orfeon.slo`."""

import argparse
import json
import sys
from pathlib import Path

import yaml

import orfeon
from orfeon.slo.alerts import alert_groups
from orfeon.slo.dashboards import DASHBOARDS
from orfeon.slo.pages import pages
from orfeon.slo.rules import recording_groups

ROOT = Path(orfeon.__file__).parents[1]

#: Where only made files lie: what is not made any more goes.
_FOLDERS = ("charts/orfeon/slo", "docs/runbooks")


def made() -> dict[str, str]:
    """Every file that is made, by its path in the repository."""
    groups = {"groups": [*recording_groups(), *alert_groups()]}
    head = "# Made by `python -m orfeon.slo --write`; edit orfeon/slo instead.\n"
    rules = yaml.safe_dump(groups, sort_keys=False, width=10_000, allow_unicode=True)
    files = {"charts/orfeon/slo/rules.yaml": head + rules, **pages()}
    for board in DASHBOARDS:
        text = json.dumps(board.json(), indent=1, ensure_ascii=False) + "\n"
        files[f"charts/orfeon/slo/dashboards/{board.name}.json"] = text
    return files


def differences(root: Path) -> list[str]:
    """The paths of files that are missing, out of date or made no more."""
    wanted = made()
    there = {
        str(path.relative_to(root))
        for folder in _FOLDERS
        for path in (root / folder).rglob("*")
        if path.is_file()
    }
    stale = {
        name
        for name, text in wanted.items()
        if not (root / name).is_file() or (root / name).read_text("utf-8") != text
    }
    return sorted(stale | (there - set(wanted)))


def write(root: Path) -> list[str]:
    """Writes what differs, and returns it."""
    changed, wanted = differences(root), made()
    for name in changed:
        path = root / name
        if name in wanted:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(wanted[name], "utf-8")
        else:
            path.unlink()
    return changed


def main() -> int:
    """The program."""
    parser = argparse.ArgumentParser(prog="python -m orfeon.slo", description=__doc__)
    what = parser.add_mutually_exclusive_group(required=True)
    what.add_argument("--write", action="store_true", help="write what differs")
    what.add_argument("--check", action="store_true", help="fail where anything differs")
    chosen = parser.parse_args()
    if chosen.write:
        for name in write(ROOT):
            sys.stdout.write(f"{name}\n")
        return 0
    if stale := differences(ROOT):
        sys.stderr.write(
            f"Run `python -m orfeon.slo --write`, and commit: {', '.join(stale)} differ.\n"
        )
    return bool(stale)


if __name__ == "__main__":
    sys.exit(main())
