"""Studio behind a real Traefik with the chart's configuration: beside the API, by one host."""

import asyncio
import contextlib
import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import httpx

from tests.fakes.gateway import Stage, staged
from tests.integration.edge import Edge, traefik
from tests.integration.studios import studio

PAGE = "/studio/en/song"


@asynccontextmanager
async def edged(home: Path, pods: int) -> AsyncIterator[tuple[Edge, Stage]]:
    """Traefik before a gateway and so many pods of Studio."""
    async with staged(home) as stage:
        with contextlib.ExitStack() as running:
            started = [
                await asyncio.to_thread(running.enter_context, studio(home, stage.url))
                for _ in range(pods)
            ]
            servers = {
                "http": [stage.url.removeprefix("http://")],
                "grpc": [],
                "studio": [each.address for each in started],
            }
            async with traefik(home, servers, studios=pods) as edge:
                yield edge, stage


async def sign_in(browser: httpx.AsyncClient, key: str) -> httpx.Response:
    entered = await browser.post("/studio/sign-in", data={"key": key, "next": PAGE})
    assert entered.status_code == 303, entered.text
    return entered


async def test_pages_and_the_api_have_one_host_and_policies_of_their_own(tmp_path: Path) -> None:
    async with edged(tmp_path, 1) as (edge, stage), edge.http() as browser:
        root = await browser.get("/", headers={"accept": "text/html"})
        assert root.status_code == 303
        assert root.headers["location"].startswith("/studio/")

        entered = await sign_in(browser, stage.secret)
        assert entered.headers["location"] == PAGE
        [cookie] = entered.headers.get_list("set-cookie")
        assert {"HttpOnly", "Secure", "Path=/studio"} <= set(cookie.split("; "))

        page = await browser.get(PAGE)
        assert page.status_code == 200
        [policy] = page.headers.get_list("content-security-policy")
        assert "script-src 'self' 'nonce-" in policy
        assert page.headers["strict-transport-security"] == "max-age=31536000"
        assert (await browser.get("/studio/sign-in/../../healthz")).status_code == 404
        for path in ("/healthz", "/readyz", "/metrics"):
            assert (await browser.get(path)).status_code == 404

        # The session of a page is none of the API's.
        assert (await browser.get("/v1/models")).status_code == 401
        key = {"authorization": f"Bearer {stage.secret}"}
        models = await browser.get("/v1/models", headers=key)
        assert models.status_code == 200
        [policy] = models.headers.get_list("content-security-policy")
        assert policy == "default-src 'none'; frame-ancestors 'none'"


async def test_streams_of_pages_arrive_at_once_and_uploads_go_through(tmp_path: Path) -> None:
    async with edged(tmp_path, 1) as (edge, stage), edge.http() as browser:
        await sign_in(browser, stage.secret)
        async with asyncio.timeout(10):
            # It says something every 15 s: what came was held by nobody.
            async with browser.stream("GET", "/studio/en/gradio_api/heartbeat/abc") as answer:
                assert answer.headers["content-type"].startswith("text/event-stream")
                lines = answer.aiter_lines()
                assert await anext(lines) == "data: ALIVE"

        voice = {"files": ("voice.wav", bytes(20 * 2**20), "audio/wav")}
        sent = await browser.post("/studio/en/gradio_api/upload", files=voice)
        assert sent.status_code == 200, sent.text


async def test_a_page_with_all_its_files_is_not_too_much_at_once(tmp_path: Path) -> None:
    async with edged(tmp_path, 1) as (edge, stage), edge.http() as browser:
        await sign_in(browser, stage.secret)
        page = await browser.get(PAGE)
        named = re.findall(r'(?:src|href)="([^"]+/assets/[^"]+)"', page.text)
        files = {str(page.url.join(each)) for each in named}
        assert files
        # More than the API's limit lets through at once, and than the client sends at once: the
        # last ones wait for a connection.
        browser.timeout = httpx.Timeout(240)
        asked = [browser.get(file) for file in list(files) * (300 // len(files))]
        answers = await asyncio.gather(*asked)
        assert {each.status_code for each in answers} == {200}
        assert all("immutable" in each.headers["cache-control"] for each in answers)


async def test_a_browser_comes_back_to_the_pod_that_knows_it(tmp_path: Path) -> None:
    async with edged(tmp_path, 2) as (edge, stage), edge.http() as browser:
        await sign_in(browser, stage.secret)
        as_browsers = {"accept": "text/html"}
        pages = [await browser.get(PAGE, headers=as_browsers) for _ in range(8)]
        assert {each.status_code for each in pages} == {200}

        # Without the edge's cookie every other request meets a pod that does not.
        browser.cookies.delete("orfeon_studio_pod")
        session = {"cookie": f"orfeon_session={browser.cookies['orfeon_session']}", **as_browsers}
        async with edge.http() as other:
            found = set()
            for _ in range(4):
                found.add((await other.get(PAGE, headers=session)).status_code)
                other.cookies.clear()
        assert found == {200, 303}
