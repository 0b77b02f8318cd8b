"""The command line: `orfeon`."""


def main() -> None:
    """Runs one command and exits: 0, 1 for a failure, 2 for a misuse, 130 when interrupted."""
    from orfeon.cli.app import app

    app(prog_name="orfeon")
