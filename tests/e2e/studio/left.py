"""What must not be left of work in the web app: requests that go on, and what people uploaded."""

import os
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import httpx

from services.studio.texts import LANGUAGES, Texts
from tests.e2e.conftest import Product


def at_work(product: Product, key: str, seconds: float = 60) -> list[dict[str, Any]]:
    """A key's requests that still run or wait in the gateway, once they had time to end."""
    end = time.monotonic() + seconds
    headers = {"authorization": f"Bearer {key}"}
    with httpx.Client(base_url=product.url, headers=headers, timeout=60) as http:
        while True:
            rows: list[dict[str, Any]] = http.get("/v1/queue").raise_for_status().json()["data"]
            if not rows or time.monotonic() > end:
                return rows
            time.sleep(0.1)


def uploads(product: Product, suffix: str = ".wav") -> list[Path]:
    """The files of a kind that lie in the web app's folder now, but for what Speak has made.

    That is kept for some time, for whoever wants to download it.
    """
    made = {f"{Texts(language)('speak.file_name')}{suffix}" for language in LANGUAGES}
    kept = (path for path in files(scratch(product)) if path.name not in made)
    return [path for path in kept if path.name.endswith(suffix)]


def soon(left: Callable[[], list[Path]]) -> list[Path]:
    """What is left once there was time to delete it: a page shows its answer before that."""
    end = time.monotonic() + 60
    while (found := left()) and time.monotonic() < end:
        time.sleep(0.1)
    return found


def scratch(product: Product) -> Path:
    """The folder where the web app keeps what is uploaded, which it holds open."""
    opened = set()
    for descriptor in Path(f"/proc/{product.part('services.studio').pid}/fd").iterdir():
        with suppress(FileNotFoundError):  # Others come and go.
            opened.add(Path(os.readlink(descriptor)))
    [folder] = [one for one in opened if one.name.startswith("orfeon-studio-")]
    return folder


def files(folder: Path) -> list[Path]:
    """All below a folder, from which some may just be removed."""
    return [Path(below) / name for below, _, names in os.walk(folder) for name in names]
