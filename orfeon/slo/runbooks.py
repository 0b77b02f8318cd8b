"""What each alert means, and what to do about it; the words are in `runbooks.yaml`."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import yaml


@dataclass(frozen=True, slots=True)
class Runbook:
    """One page. `users` is what users see; `steps` are in the order in which they are tried."""

    title: str
    means: str
    users: str
    steps: list[str]


#: By the name of the alert.
RUNBOOKS: Mapping[str, Runbook] = {
    name: Runbook(**said)
    for name, said in yaml.safe_load(
        Path(__file__).with_name("runbooks.yaml").read_text("utf-8")
    ).items()
}
