"""What must not be left of work in the web app: requests that go on, and what people uploaded."""

import os
import time
from pathlib import Path
from typing import Any

import httpx

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
    """The files of a kind that lie in the web app's folder now."""
    descriptors = Path(f"/proc/{product.part('services.studio').pid}/fd")
    # It keeps its folder locked.
    folders = {Path(os.readlink(one)) for one in descriptors.iterdir() if one.is_symlink()}
    [folder] = [one for one in folders if one.name.startswith("orfeon-studio-")]
    return list(folder.rglob(f"*{suffix}"))
