"""Commands that are programs of a capability: they need its libraries, as the client does not."""

import os
import sys

#: For a command that hands on all that it is given, even `--help`.
AS_GIVEN = {"ignore_unknown_options": True, "allow_extra_args": True, "help_option_names": []}


def become(module: str, arguments: list[str]) -> None:
    """Goes on as that program, which gets signals and gives its exit code itself."""
    sys.stdout.flush()
    os.execv(sys.executable, [sys.executable, "-m", module, *arguments])
