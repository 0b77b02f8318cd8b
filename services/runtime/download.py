"""Downloads a file over HTTP, and goes on where a broken download ended."""

from pathlib import Path

import httpx

from services.runtime.errors import ServiceUnavailable
from services.runtime.sources import Report

_CHUNK = 1 << 20
_TIMEOUT = httpx.Timeout(30.0, connect=10.0)


def download(
    url: str, staging: Path, report: Report, transport: httpx.BaseTransport | None = None
) -> Path:
    """Fetches a file below `staging`, from where an earlier attempt broke off.

    Raises `ServiceUnavailable`.
    """
    staging.mkdir(parents=True, exist_ok=True)
    part, whole = staging / "download.part", staging / "download"
    if whole.is_file():
        return whole
    try:
        with httpx.Client(transport=transport, timeout=_TIMEOUT, follow_redirects=True) as client:
            if not _append(client, url, part, report):
                part.unlink()
                _append(client, url, part, report)
    except (httpx.HTTPError, httpx.InvalidURL) as error:
        said = (str(error).splitlines() or [""])[0] or type(error).__name__
        raise ServiceUnavailable(f"{url} could not be fetched: {said}") from error
    part.replace(whole)
    return whole


def _append(client: httpx.Client, url: str, part: Path, report: Report) -> bool:
    """Downloads what `part` still lacks; False if the server cannot go on from where it ends."""
    have = part.stat().st_size if part.is_file() else 0
    # Ranges count the bytes of the file, so it must not be compressed on the way.
    headers = {"accept-encoding": "identity"} | ({"range": f"bytes={have}-"} if have else {})
    with client.stream("GET", url, headers=headers) as response:
        if have and response.status_code == httpx.codes.REQUESTED_RANGE_NOT_SATISFIABLE:
            return bool(response.headers.get("content-range") == f"bytes */{have}")
        response.raise_for_status()
        if have and response.status_code == httpx.codes.PARTIAL_CONTENT:
            if not response.headers.get("content-range", "").startswith(f"bytes {have}-"):
                return False
        else:
            have = 0
        with part.open("ab" if have else "wb") as file:
            for chunk in response.iter_bytes(_CHUNK):
                file.write(chunk)
                have += len(chunk)
                report(have)
    return True
