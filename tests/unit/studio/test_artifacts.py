"""Files of jobs, as browsers get them from the web app."""

from collections.abc import AsyncIterator
from types import SimpleNamespace

import httpx
import pytest

from services.studio import artifacts
from tests.fakes.studiofront import front

URL = "/studio/jobs/song_1/artifacts/song.mp3"
FILE = b"ID3" + bytes(range(97))


def gateway(request: httpx.Request) -> httpx.Response:
    """Has one file, and reads ranges of the form `bytes=10-19`."""
    assert request.headers["authorization"] == "Bearer sk-orf-1"
    assert request.headers["accept-encoding"] == "identity"
    if request.url.path != "/v1/jobs/song_1/artifacts/song.mp3":
        error = {"message": "There is no such job.", "code": "not_found"}
        return httpx.Response(404, json={"error": error})
    headers = {
        "content-type": "audio/mpeg", "accept-ranges": "bytes",
        "content-disposition": 'attachment; filename="song.mp3"', "x-request-id": "1",
    }  # fmt: skip
    if asked := request.headers.get("range"):
        first, last = map(int, asked.removeprefix("bytes=").split("-"))
        headers["content-range"] = f"bytes {first}-{last}/{len(FILE)}"
        return sent(206, FILE[first : last + 1], headers)
    return sent(200, FILE, headers)


def sent(status: int, data: bytes, headers: dict[str, str]) -> httpx.Response:
    headers = {**headers, "content-length": str(len(data))}
    return httpx.Response(status, stream=httpx.ByteStream(data), headers=headers)


async def test_a_file_comes_as_the_gateway_has_it() -> None:
    async with front(gateway, artifacts.routes) as studio:
        answer = await studio.http.get(URL)
    assert (answer.status_code, answer.content) == (200, FILE)
    assert answer.headers["content-type"] == "audio/mpeg"
    assert answer.headers["content-length"] == str(len(FILE))
    assert answer.headers["accept-ranges"] == "bytes"
    # It is saved under the name that its link has, and never shown as a page.
    assert answer.headers["content-disposition"] == "attachment"
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert "x-request-id" not in answer.headers


async def test_a_player_gets_the_part_that_it_asks_for() -> None:
    async with front(gateway, artifacts.routes) as studio:
        part = await studio.http.get(URL, headers={"range": "bytes=10-19"})
    assert (part.status_code, part.content) == (206, FILE[10:20])
    assert part.headers["content-range"] == f"bytes 10-19/{len(FILE)}"
    assert part.headers["content-length"] == "10"


async def test_names_cannot_lead_elsewhere() -> None:
    seen = []

    def spy(request: httpx.Request) -> httpx.Response:
        seen.append(request.url.raw_path)
        return httpx.Response(404, json={})

    async with front(spy, artifacts.routes) as studio:
        for path in ("..%2F..%2Fmodels/x", "a/..%2Fb%3Fc", "a/%2e%2e"):
            await studio.http.get(f"/studio/jobs/{path.split('/')[0]}/artifacts/{path[-9:]}")
    assert all(path.startswith(b"/v1/jobs/") and b"?" not in path for path in seen)
    assert not any(b"/../" in path for path in seen)


async def test_who_is_signed_out_is_told_so() -> None:
    async with front(gateway, artifacts.routes) as studio:
        studio.sign_out()
        answer = await studio.http.get(URL)
    assert (answer.status_code, code_of(answer)) == (401, "signed_out")


@pytest.mark.parametrize(
    ("language", "sentence"), [("en", "There is no such job."), ("es", "Esto ya no está")]
)
async def test_what_the_gateway_refuses_is_told_in_a_sentence(language: str, sentence: str) -> None:
    async with front(gateway, artifacts.routes) as studio:
        answer = await studio.http.get(f"/studio/jobs/gone/artifacts/song.mp3?lang={language}")
    assert answer.status_code == 404
    assert sentence in answer.json()["error"]["message"]


async def test_a_gateway_that_is_away_is_told_in_a_sentence() -> None:
    def away(request: httpx.Request) -> httpx.Response:
        raise httpx.ConnectError("away")

    async with front(away, artifacts.routes) as studio:
        answer = await studio.http.get(URL)
    assert answer.status_code == 503
    assert "cannot be reached" in answer.json()["error"]["message"]


async def test_a_file_that_breaks_off_is_not_ended_as_if_it_were_whole() -> None:
    class Broken(httpx.AsyncByteStream):
        async def __aiter__(self) -> AsyncIterator[bytes]:
            yield b"ID3"
            raise httpx.ReadError("broken")

    def breaks(request: httpx.Request) -> httpx.Response:
        return httpx.Response(200, stream=Broken(), headers={"content-length": "100"})

    async with front(breaks, artifacts.routes) as studio:
        sent = await studio.messages(URL)
    assert [message["type"] for message in sent] == ["http.response.start", "http.response.body"]
    assert sent[-1]["more_body"]


async def test_who_leaves_ends_the_request() -> None:
    closed = SimpleNamespace(yes=False, sent=0)

    class Endless(httpx.AsyncByteStream):
        async def __aiter__(self) -> AsyncIterator[bytes]:
            while True:
                closed.sent += 1
                yield b"0123456789"

        async def aclose(self) -> None:
            closed.yes = True

    def endless(request: httpx.Request) -> httpx.Response:
        return httpx.Response(200, stream=Endless())

    async with front(endless, artifacts.routes) as studio:
        await studio.messages(URL, leaves=True)
    assert closed.yes
    assert closed.sent < 10


def code_of(answer: httpx.Response) -> str:
    return str(answer.json()["error"]["code"])
