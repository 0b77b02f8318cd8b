from orfeon import Usage
from orfeon.cli import usage
from tests.unit.cli.test_residency import drawn


def test_usage_is_a_table_of_days() -> None:
    rows = [
        Usage("2030-01-31", "key_1", "chat", 12, 3456, 0.0),
        Usage("2030-01-31", "key_1", "speech", 2, 0, 200.0),
    ]
    assert drawn(usage.shown(rows)) == [
        ["day", "key", "capability", "requests", "tokens", "audio"],
        ["2030-01-31", "key_1", "chat", "12", "3456", "-"],
        ["2030-01-31", "key_1", "speech", "2", "0", "3 min"],
    ]
