"""`orfeon models` without a gateway."""

import json
from pathlib import Path

import pytest
import yaml
from typer.testing import CliRunner, Result

from orfeon.cli.app import app


@pytest.fixture
def home(tmp_path: Path) -> Path:
    """A home with one model of the user's, whose only file lies beside its manifest."""
    place = tmp_path / "models" / "mine"
    place.mkdir(parents=True)
    manifest = {
        "name": "mine",
        "capability": "chat",
        "engine": "llama-cpp",
        "tasks": ["chat"],
        "aliases": ["my-alias"],
        "owned_by": "me",
        "licence": "MIT",
        "memory_bytes": 5,
        "files": {"model.gguf": {"sources": [{"local": "model.gguf"}], "size": 7}},
    }
    (place / "model.yaml").write_text(yaml.safe_dump(manifest))
    (place / "model.gguf").write_bytes(b"weights")
    return tmp_path


def run(home: Path, *arguments: str) -> Result:
    return CliRunner().invoke(app, ["models", *arguments, "--home", str(home)])


def test_ls_lists_built_in_models_and_those_of_the_user(home: Path) -> None:
    rows = {row["name"]: row for row in json.loads(run(home, "ls", "--json").stdout)}

    assert rows["mine"] == {
        "name": "mine",
        "capability": "chat",
        "tasks": ["chat"],
        "default": False,
        "size": 7,
        "pulled": True,
        "licence": "MIT",
    }
    assert rows["smollm2-135m-instruct"]["default"] is True
    table = run(home, "ls").stdout
    assert "smollm2-135m-instruct" in table
    assert "mine" in table


def test_show_prints_what_the_folder_says_by_name_or_alias(home: Path) -> None:
    shown = yaml.safe_load(run(home, "show", "my-alias").stdout)

    assert shown["name"] == "mine"
    assert shown["pulled"] is True
    assert json.loads(run(home, "show", "mine", "--json").stdout) == shown


def test_pull_and_rm_keep_what_the_user_put_there(home: Path) -> None:
    assert run(home, "pull", "mine").stdout == "mine is on this machine.\n"
    assert run(home, "rm", "mine").stdout == "mine: 0 B freed.\n"
    assert (home / "models" / "mine" / "model.gguf").read_bytes() == b"weights"


def test_an_unknown_model_is_one_sentence_and_exit_code_1(home: Path) -> None:
    for command in ("show", "rm", "pull"):
        result = run(home, command, "nope")
        assert result.exit_code == 1
        assert result.stdout == ""
        assert result.stderr.startswith("orfeon: There is no model 'nope' here")
        assert result.stderr.count("\n") == 1


def test_a_broken_manifest_is_named_and_the_rest_is_listed(home: Path) -> None:
    broken = home / "models" / "broken"
    broken.mkdir()
    (broken / "model.yaml").write_text("name: broken")

    result = run(home, "ls")
    assert result.exit_code == 0
    assert "mine" in result.stdout
    assert "left out" in result.stderr
    assert "broken/model.yaml" in result.stderr


def test_models_of_a_folder_are_added_and_pulled(home: Path, tmp_path: Path) -> None:
    """As a pod does that fills a volume with models that the chart's values name."""
    given = tmp_path / "given"
    given.mkdir()
    text = (home / "models" / "mine" / "model.yaml").read_text()
    (given / "mine.yaml").write_text(text)
    (given / "notes.txt").write_text("no model")
    theirs = home / "models" / "ours--theirs" / "weights.gguf"
    theirs.parent.mkdir()
    theirs.write_bytes(b"weights")
    (given / "theirs.yaml").write_text(
        text.replace("name: mine", "name: ours/theirs")
        .replace("my-alias", "their-alias")
        .replace("local: model.gguf", "local: weights.gguf")
    )

    pulled = run(home, "pull", "--from", str(given))

    assert pulled.exit_code == 0
    assert pulled.stdout.splitlines() == [
        "mine is on this machine.",
        "ours/theirs is on this machine.",
    ]
    assert (theirs.parent / "model.gguf").read_bytes() == b"weights"
    assert run(home, "pull", "--from", str(given)).exit_code == 0


def test_a_folder_to_pull_from_that_is_wrong_is_one_sentence_and_adds_nothing(
    home: Path, tmp_path: Path
) -> None:
    empty = run(home, "pull", "--from", str(tmp_path / "none"))
    assert (empty.exit_code, empty.stderr.count("\n")) == (1, 1)
    assert "holds no file called <model>.yaml" in empty.stderr

    given = tmp_path / "given"
    given.mkdir()
    (given / "a.yaml").write_text((home / "models" / "mine" / "model.yaml").read_text())
    (given / "b.yaml").write_text("name: [")
    (home / "models" / "mine" / "model.yaml").unlink()
    broken = run(home, "pull", "--from", str(given))
    assert broken.exit_code == 1
    assert "b.yaml" in broken.stderr
    assert not (home / "models" / "mine" / "model.yaml").exists()
