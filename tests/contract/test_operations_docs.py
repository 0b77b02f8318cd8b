"""What the pages for operators name exists: commands, values, variables, files, objects."""

import re
import shlex
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
import typer.main
import yaml

from orfeon.cli.app import app
from tests.contract import chart

PAGES = ("docs/operations.md", "README.md")
VALUES: dict[str, Any] = yaml.safe_load((chart.CHART / "values.yaml").read_text("utf-8"))


def text_of(page: str) -> str:
    return (chart.ROOT / page).read_text("utf-8")


def commands(page: str) -> Iterator[list[str]]:
    """Every command of the page's consoles, and of its code in lines."""
    text = text_of(page)
    blocks = re.findall(r"```console\n(.*?)```", text, re.DOTALL)
    lines = "\n".join(blocks).replace("\\\n", " ").splitlines()
    lines += re.findall(r"`((?:orfeon|helm|kubectl) [^`\n]+)`", text)
    begun = ""
    for line in lines:
        begun += line
        try:
            yield shlex.split(begun, comments=True)
        except ValueError:  # A quotation goes on in the next line.
            begun += "\n"
        else:
            begun = ""
    assert not begun


def ours(page: str) -> list[list[str]]:
    """Those that are `orfeon`, here or in a pod."""
    inner = (each[each.index("--") + 1 :] if "--" in each else each for each in commands(page))
    return [each for each in inner if each[:1] == ["orfeon"] and len(each) > 1]


def exists(command: list[str]) -> bool:
    """Whether the command line has such a command, with such options."""
    at: Any = typer.main.get_command(app)
    rest = command[1:]
    while hasattr(at, "commands"):
        if not rest or rest[0] not in at.commands:
            return False
        at, rest = at.commands[rest[0]], rest[1:]
    known = {name for each in at.params for name in (*each.opts, *each.secondary_opts)}
    # Programs of a capability know their options themselves.
    asked = {word.partition("=")[0] for word in rest if re.match(r"-{1,2}[a-z]", word)}
    return at.context_settings.get("ignore_unknown_options") is True or asked <= known


def is_value(path: str) -> bool:
    """Whether the chart has that value. `<name>` is any capability."""
    at: Any = VALUES
    for key in path.split("."):
        if at is VALUES["capabilities"]:
            at = chart_capability() if key in ("<name>", *at) else None
        elif isinstance(at, dict) and key in at:
            at = at[key]
        else:
            return isinstance(at, dict) and not at
        if at is None:
            return False
    return True


def chart_capability() -> dict[str, Any]:
    return {**VALUES["capabilityDefaults"], "service": ""}


@pytest.mark.parametrize("page", PAGES)
def test_commands_of_ours_exist(page: str) -> None:
    found = ours(page)
    assert len(found) > 5
    assert [each for each in found if not exists(each)] == []


def test_a_command_that_is_not_there_is_found() -> None:
    assert not exists(["orfeon", "cluster", "check", "--colour"])
    assert not exists(["orfeon", "clusters"])
    assert not is_value("gpu.profiles")
    assert not is_value("capabilities.<name>.gpus")


@pytest.mark.parametrize("page", PAGES)
def test_values_that_are_named_exist(page: str) -> None:
    text = text_of(page)
    roots = "|".join(VALUES)
    named = set(re.findall(rf"`((?:{roots})(?:\.[A-Za-z<>]+)+)[`:]", text))
    for command in commands(page):
        if "charts/orfeon" in command:
            after = (command[i + 1] for i, word in enumerate(command) if word == "--set")
            named |= {each.partition("=")[0] for each in after}
    assert named
    assert {each for each in named if not is_value(each)} == set()


def test_values_in_blocks_are_taken_by_the_chart() -> None:
    blocks = re.findall(r"```yaml\n(.*?)```", text_of("docs/operations.md"), re.DOTALL)
    assert len(blocks) > 1
    for block in blocks:
        assert chart.objects(yaml.safe_load(block))


def test_variables_are_settings_of_the_gateway() -> None:
    named = set(re.findall(r"ORFEON_GATEWAY_[A-Z_]+", text_of("docs/operations.md")))
    assert named
    assert named <= chart.variables_of(chart.settings_of("gateway.settings"))


@pytest.mark.parametrize("page", PAGES)
def test_objects_are_those_of_the_chart(page: str) -> None:
    text = text_of(page)
    more = {**chart.ALL_ON, "triton": {"enabled": True}, "postgresql": {"bundled": True}}
    rendered = [*chart.objects({}), *chart.objects(more)]
    prefix = f"{chart.RELEASE}-orfeon-"
    made = {(each["kind"], each["metadata"]["name"].removeprefix(prefix))
            for each in rendered}  # fmt: skip
    kinds = {"deploy/": "Deployment", "statefulset/": "StatefulSet"}
    named = {(kinds[kind], name) for kind, name in re.findall(r"(\w+/)orfeon-(\w+)", text)
             if kind in kinds}  # fmt: skip
    named |= {("PersistentVolumeClaim", name) for name in re.findall(r"claim `orfeon-(\w+)", text)}
    assert named
    assert named <= made


@pytest.mark.parametrize("page", PAGES)
def test_files_that_are_named_exist(page: str) -> None:
    links = re.findall(r"\]\((?!https?:)([^)#]+)", text_of(page))
    base = (chart.ROOT / page).parent
    assert [each for each in links if not (base / each).exists()] == []
    given = [each for command in commands(page) for each in command if each.startswith("charts/")]
    assert [each for each in given if not (chart.ROOT / each).exists()] == []


def test_the_first_steps_are_six() -> None:
    section = text_of("README.md").split("## On a GPU cluster")[1].split("\n## ")[0]
    (block,) = re.findall(r"```console\n(.*?)```", section, re.DOTALL)
    assert len(block.replace("\\\n", "").strip().splitlines()) <= 6
    assert len(re.findall(r"^\d\. ", section, re.MULTILINE)) == 6


def test_a_backup_comes_back(tmp_path: Path) -> None:
    lines = text_of("docs/operations.md").splitlines()
    there = str(tmp_path / "orfeon.db")
    with closing(sqlite3.connect(there)) as database:
        database.execute("PRAGMA journal_mode=WAL")
        database.execute("CREATE TABLE api_keys (id TEXT)")
        database.execute("INSERT INTO api_keys VALUES ('key_1')")
        database.commit()

        def run(word: str) -> None:
            (line,) = (each for each in lines if "python -c" in each and word in each)
            code = shlex.split(line)[-1].replace("/tmp/keys.db", str(tmp_path / "keys.db"))
            code = code.replace("/var/lib/orfeon/orfeon.db", there)
            subprocess.run([sys.executable, "-c", code], check=True)

        run("VACUUM")
        database.execute("DELETE FROM api_keys")
        database.commit()
        run("backup(")
        assert database.execute("SELECT id FROM api_keys").fetchall() == [("key_1",)]
