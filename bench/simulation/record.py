"""Makes a trace of what services logged: `python -m bench.simulation.record chat.log speech.log`.

Reads the lines "turn ended" of `<home>/logs/<service>.log` and writes CSV to standard output; keys
are numbered, so that the trace names nobody.
"""

import csv
import json
import sys
from collections.abc import Iterable, Iterator
from datetime import datetime
from pathlib import Path

COLUMNS = ("arrival", "level", "key", "model", "seconds")


def turns(lines: Iterable[str]) -> Iterator[dict[str, float | int | str]]:
    """The requests of a log. Lines that are not about one are passed over."""
    for line in lines:
        if '"turn ended"' not in line:
            continue
        said = json.loads(line)
        ended = datetime.fromisoformat(said["time"]).timestamp()
        yield {
            "arrival": ended - said["seconds"] - said["waited"],
            "level": said["priority"],
            "key": said["key"],
            "model": said["model"],
            "seconds": said["seconds"],
        }


def trace(logs: Iterable[Iterable[str]]) -> list[dict[str, float | int | str]]:
    """One trace of several logs: by arrival, from 0 on, keys by number."""
    found = sorted((turn for log in logs for turn in turns(log)), key=lambda turn: turn["arrival"])
    numbers: dict[object, int] = {}
    for turn in found:
        turn["key"] = numbers.setdefault(turn["key"], len(numbers))
    first = float(found[0]["arrival"]) if found else 0.0
    return [{**turn, "arrival": round(float(turn["arrival"]) - first, 3)} for turn in found]


def main(paths: list[str]) -> None:
    """Writes the trace of these files."""
    rows = trace(Path(path).read_text("utf-8").splitlines() for path in paths)
    writer = csv.DictWriter(sys.stdout, COLUMNS)
    writer.writeheader()
    writer.writerows(rows)


if __name__ == "__main__":
    main(sys.argv[1:])
