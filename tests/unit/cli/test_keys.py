"""`orfeon keys`."""

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from gateway.keystore import KeyStore
from orfeon.cli.app import app
from orfeon.cli.keys import expiry
from orfeon.fault import Fault


def run(home: Path, *arguments: str) -> Result:
    return CliRunner().invoke(app, ["keys", *arguments, "--home", str(home)])


def test_a_key_is_made_listed_and_revoked(tmp_path: Path) -> None:
    made = run(tmp_path, "create", "studio", "--priority-floor", "1", "--scope", "chat")
    secret = made.stdout.strip()
    store = KeyStore(f"sqlite:///{tmp_path}/orfeon.db")
    found = store.authenticate(secret)
    store.close()

    assert found is not None
    assert (found.name, found.priority_floor, found.scopes) == ("studio", 1, frozenset({"chat"}))
    assert found.id in made.stderr
    (row,) = json.loads(run(tmp_path, "list", "--json").stdout)
    assert (row["id"], row["state"]) == (found.id, "live")
    assert secret not in run(tmp_path, "list").stdout

    assert "is revoked" in run(tmp_path, "revoke", found.id).stdout
    (row,) = json.loads(run(tmp_path, "list", "--json").stdout)
    assert row["state"] == "revoked"


def test_a_key_can_be_had_as_json_and_expire(tmp_path: Path) -> None:
    made = json.loads(run(tmp_path, "create", "x", "--expires", "2099-01-01", "--json").stdout)

    assert made["secret"].startswith(made["prefix"])
    assert made["expires"].startswith(("2098-12-31", "2099-01-01"))


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (("create", "x", "--scope", "nonsense"), "Unknown scope 'nonsense'"),
        (("create", "x", "--expires", "soon"), "'soon' is neither a time"),
        (("create", "x", "--expires", "1999-01-01"), "1999-01-01 is past"),
        (("create", ""), "The name must be"),
        (("revoke", "key_0"), "There is no key key_0"),
        (("list", "--database-url", "nonsense"), "The database's URL cannot be read"),
        (("list", "--database-url", "nodb://x/y"), "nodb is no database"),
    ],
)
def test_what_cannot_be_is_one_sentence(
    tmp_path: Path, arguments: tuple[str, ...], sentence: str
) -> None:
    result = run(tmp_path, *arguments)

    assert result.exit_code == 1
    assert sentence in result.stderr
    assert result.stderr.count("\n") == 1
    assert "Traceback" not in result.output


def test_a_time_from_now_is_added_to_now() -> None:
    assert [expiry(text, 1000.0) - 1000 for text in ("5m", "2h", "30d", "1w", "1y")] == [
        300, 7200, 30 * 86400, 7 * 86400, 365 * 86400,
    ]  # fmt: skip
    assert expiry("2030-01-31T00:00:00+00:00", 0.0) == 1896048000.0
    with pytest.raises(Fault):
        expiry("", 0.0)
