"""Measures everything, or parts: `make bench`, `python -m bench PART...`.

A part alone takes options of its own: `python -m bench PART --help`.
"""

import argparse
import inspect
import itertools
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from types import ModuleType

from bench import (
    emotion,
    gateway,
    musicgen,
    overhead,
    product,
    rpc,
    sharing,
    soak,
    songs,
    studio,
    triton,
    wav2vec2,
)
from bench.language import suite

LITELLM = Path(sys.prefix + "-litellm") / "bin" / "litellm"

#: Measures and prints, given what follows the part's name.
Part = Callable[[Sequence[str]], None]


def plain(name: str, module: ModuleType, run: Callable[[], None]) -> Part:
    """A part without options but `--help`, which prints what the module says of itself."""

    def part(arguments: Sequence[str]) -> None:
        argparse.ArgumentParser(
            prog=f"python -m bench {name}",
            description=inspect.getdoc(module),
            formatter_class=argparse.RawDescriptionHelpFormatter,
        ).parse_args(arguments)
        run()

    return part


PARTS: Mapping[str, Part] = {
    "product": plain("product", product, product.main),
    "gateway": plain("gateway", gateway, lambda: gateway.main(LITELLM)),
    "grpc": plain("grpc", rpc, rpc.main),
    "language": plain("language", suite, suite.main),
    "sharing": plain("sharing", sharing, sharing.main),
    "overhead": plain("overhead", overhead, overhead.main),
    "emotion": plain("emotion", emotion, emotion.main),
    "soak": plain("soak", soak, soak.main),
    "songs": plain("songs", songs, songs.main),
    "studio": plain("studio", studio, studio.main),
    "musicgen": musicgen.main,
    "wav2vec2": wav2vec2.main,
    "triton": triton.main,
}


def main(arguments: Sequence[str], parts: Mapping[str, Part] = PARTS) -> None:
    """Measures the parts that are named, all if none is. Ends the process where it prints help."""
    names = list(itertools.takewhile(lambda each: not each.startswith("-"), arguments))
    options = arguments[len(names) :]
    parser = argparse.ArgumentParser(
        prog="python -m bench",
        usage="%(prog)s [PART ...] | PART [OPTION ...]",
        description=__doc__,
        epilog=f"Parts: {', '.join(parts)}.",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    if unknown := [name for name in names if name not in parts]:
        parser.error(f"there is no part {unknown[0]!r}; parts are {', '.join(parts)}")
    if len(names) != 1:
        parser.parse_args(options)
        options = []
    for name in names or parts:
        parts[name](options)


if __name__ == "__main__":
    main(sys.argv[1:])
