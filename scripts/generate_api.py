"""Generates the Python code of the contracts: proto/ -> orfeon/api/.

Run by `make proto`; `make check` runs it into a temporary folder and refuses a difference.
"""

import argparse
import shutil
import sys
import tempfile
from importlib.resources import files
from pathlib import Path

from grpc_tools import protoc

ROOT = Path(__file__).resolve().parent.parent
PROTO = ROOT / "proto"
PACKAGE = Path("orfeon/api")


def generate(into: Path) -> None:
    """Writes the modules of every contract below `into`/orfeon/api."""
    sources = sorted(str(path) for path in PROTO.rglob("*.proto"))
    arguments = [
        "protoc",
        f"--proto_path={PROTO}",
        f"--proto_path={files('grpc_tools') / '_proto'}",
        f"--python_out={into}",
        f"--grpc_python_out={into}",
        f"--mypy_out=quiet:{into}",
        f"--mypy_grpc_out=quiet:{into}",
        *sources,
    ]
    if protoc.main(arguments) != 0:
        raise SystemExit("protoc failed")
    for folder in {Path(source).parent for source in sources}:
        package = into / folder.relative_to(PROTO)
        while package != into / PACKAGE.parent:
            (package / "__init__.py").touch()
            package = package.parent
    (into / PACKAGE / "py.typed").touch()


def contents(root: Path) -> dict[str, bytes]:
    """Every generated file below `root`, by its path."""
    return {
        str(path.relative_to(root)): path.read_bytes()
        for path in sorted(root.rglob("*"))
        if path.is_file() and "__pycache__" not in path.parts
    }


def main() -> None:
    """Regenerates, or with --check compares and writes nothing."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--check", action="store_true", help="fail if the committed code differs")
    check = parser.parse_args().check
    with tempfile.TemporaryDirectory() as folder:
        generate(Path(folder))
        fresh, committed = Path(folder) / PACKAGE, ROOT / PACKAGE
        if check:
            if contents(fresh) != contents(committed):
                sys.exit("orfeon/api differs from proto/: run `make proto` and commit the result")
            return
        shutil.rmtree(committed, ignore_errors=True)
        shutil.copytree(fresh, committed)


if __name__ == "__main__":
    main()
