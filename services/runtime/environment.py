"""Settings from the environment, for whatever is started as a process."""

import re
import sys
from typing import TypeVar

from pydantic import ValidationError
from pydantic_settings import BaseSettings, SettingsError

Settings = TypeVar("Settings", bound=BaseSettings)


def settings_of(kind: type[Settings]) -> Settings:
    """What the environment says. Ends the process where it cannot be meant, with a line for each
    variable that is wrong; never with what it holds, which may be secret.
    """
    prefix = kind.model_config.get("env_prefix", "")
    try:
        return kind()
    except ValidationError as error:
        sys.exit("\n".join(_told(prefix, error)))
    except SettingsError as error:
        # Of lists and mappings, which are JSON; it names the field in its text alone.
        [field] = re.findall(r'field "(\w+)"', str(error))
        sys.exit(f"{prefix}{field.upper()}: Input should be valid JSON ({error.__cause__}).")


def _told(prefix: str, error: ValidationError) -> list[str]:
    lines = []
    for each in error.errors(include_input=False, include_url=False):
        sentence = f"{each['msg'].removeprefix('Value error, ')}."
        name = "__".join(str(part) for part in each["loc"])
        # Without a name it is about several, and names them.
        known = name if not name or name.isupper() else f"{prefix}{name.upper()}"
        lines.append(f"{known}: {sentence}" if known else sentence)
    return lines
