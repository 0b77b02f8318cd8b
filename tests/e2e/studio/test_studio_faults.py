"""What the web app makes of revoked keys, lost connections, strangers and nonsense."""

import json
import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import psutil
import pytest
from playwright.sync_api import Browser, Dialog, FilePayload, Page, expect

from services.studio.sessions import COOKIE
from services.studio.texts import LANGUAGES, Texts
from tests import recordings
from tests.e2e.conftest import Product, running
from tests.e2e.studio.browsers import OpenPage, accessible, chromium, opener

HTML = {"accept": "text/html"}
#: What may be uploaded here: some seven seconds of a microphone.
MOST = 600_000
API = "/studio/en/gradio_api"


@pytest.fixture(scope="module")
def own(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Product]:
    """A product of our own, parts of which can be killed."""
    home = tmp_path_factory.mktemp("home")
    with running(home, "--engine", "fake", ORFEON_STUDIO_MAX_UPLOAD_BYTES=str(MOST)) as product:
        yield product


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with chromium() as browser:
        yield browser


@pytest.fixture
def open_page(browser: Browser, own: Product, request: pytest.FixtureRequest) -> Iterator[OpenPage]:
    yield from opener(browser, own.studio, own.key, request)


@contextmanager
def without_gateway(product: Product) -> Iterator[None]:
    """The gateway is gone for the block, and nobody starts it again before its end."""
    gateway = product.part("gateway")
    supervisor = psutil.Process(product.process.pid)
    supervisor.suspend()
    try:
        gateway.kill()
        yield
    finally:
        supervisor.resume()
    product.wait_ready()


@contextmanager
def visitor(product: Product, key: str | None = None) -> Iterator[httpx.Client]:
    """A client without a browser; signed in if there is a key."""
    with httpx.Client(base_url=product.studio, timeout=30) as http:
        if key is not None:
            signed = http.post("/studio/sign-in", data={"key": key})
            assert (signed.status_code, COOKIE in http.cookies) == (303, True)
        yield http


def message(page: Page) -> Any:
    """What Gradio tells somebody of an error."""
    return page.locator(".toast-body").first


def write(page: Page, t: Texts) -> None:
    """Has something done that needs the gateway."""
    page.get_by_role("button", name=t("home.write_go")).click()


# People and their keys.


@pytest.mark.parametrize("language", LANGUAGES)
def test_who_loses_their_key_is_told_and_signs_in_again(
    open_page: OpenPage, own: Product, language: str
) -> None:
    t = Texts(language)
    for path, tell in (("", message), ("queue", lambda page: page.get_by_role("alert"))):
        id, key = own.new_key("soon gone")
        page = open_page(path, language, key=key)
        if path:
            expect(page.get_by_text(t("queue.no_jobs"))).to_be_visible()
        assert own.orfeon("keys", "revoke", id).returncode == 0
        if not path:
            # For a second the gateway may still know the key.
            expect(page.locator("gradio-app h1").first).to_be_visible()
            while not tell(page).is_visible():
                write(page, t)
                page.wait_for_timeout(300)
        expect(tell(page)).to_contain_text(t("errors.signed_out"))
        page.reload()
        page.wait_for_url(f"**/studio/sign-in?next=/studio/{language}/{path}")


@pytest.mark.parametrize("key", ["sk-orf-wrong", "", " ", "x" * 10_240, "clé de señor", "日本語"])
def test_what_is_no_key_lets_nobody_in(own: Product, key: str) -> None:
    for language in LANGUAGES:
        with visitor(own) as http:
            answer = http.post(
                "/studio/sign-in", data={"key": key}, headers={"accept-language": language}
            )
            assert answer.status_code == 401
            assert Texts(language)("sign_in.wrong_key") in answer.text
            assert COOKIE not in http.cookies


def test_one_is_never_led_away(own: Product) -> None:
    for next in ("https://evil.example/", "//evil.example", "/\\evil.example", "/studio/..//evil"):
        with visitor(own) as http:
            led = http.post("/studio/sign-in", data={"key": own.key, "next": next})
            assert (led.status_code, led.headers["location"]) == (303, "/studio/en/")
            # Nor who is in already.
            led = http.get("/studio/sign-in", params={"next": next})
            assert led.headers["location"] == "/studio/en/"


def test_every_sign_in_has_a_session_of_its_own(own: Product) -> None:
    with visitor(own) as http:
        http.cookies.set(COOKIE, "chosen-by-somebody-else", domain="127.0.0.1", path="/studio")
        answer = http.post("/studio/sign-in", data={"key": own.key})
        flags = {part.strip().lower() for part in answer.headers["set-cookie"].split(";")}
        assert {"httponly", "samesite=lax", "path=/studio"} <= flags
        first = answer.cookies[COOKIE]
        assert first != "chosen-by-somebody-else"
        second = http.post("/studio/sign-in", data={"key": own.key}).cookies[COOKIE]
        assert second != first
    for id, status in ((first, 303), ("chosen-by-somebody-else", 303), (second, 200)):
        with httpx.Client(
            base_url=own.studio, cookies={COOKIE: id}, headers=HTML, timeout=60
        ) as stranger:
            assert stranger.get("/studio/en/").status_code == status


def test_a_session_ends_with_signing_out(own: Product) -> None:
    with visitor(own, own.key) as http:
        kept = http.cookies[COOKIE]
        assert http.get("/studio/en/").status_code == 200
        http.post("/studio/sign-out")
        assert COOKIE not in http.cookies
    with httpx.Client(base_url=own.studio, cookies={COOKIE: kept}) as thief:
        led = thief.get("/studio/en/song", headers=HTML)
        assert led.headers["location"] == "/studio/sign-in?next=/studio/en/song"
        for path in (f"{API}/queue/join", f"{API}/upload", "/studio/boards/models/x/load"):
            refused = thief.post(path, json={"session_hash": "a"})
            assert (refused.status_code, refused.json()["error"]["code"]) == (401, "signed_out")


@pytest.mark.parametrize(
    "headers",
    [{"origin": "https://evil.example"}, {"sec-fetch-site": "cross-site"}, {"origin": "null"}],
)
def test_another_site_can_do_nothing_in_ones_name(own: Product, headers: dict[str, str]) -> None:
    with visitor(own, own.key) as http:
        for path in ("/studio/sign-in", "/studio/sign-out", f"{API}/queue/join", f"{API}/upload"):
            answer = http.post(path, headers=headers, data={"key": own.key})
            assert answer.status_code == 403
            assert answer.json()["error"]["code"] == "cross_site"
        assert http.get("/studio/en/").status_code == 200


# What is away, and comes back.


def test_a_gateway_that_goes_and_comes_back_needs_no_reload(
    open_page: OpenPage, own: Product
) -> None:
    t = Texts("es")
    page, board = open_page(language="es"), open_page("models", "es")
    expect(board.get_by_role("table")).to_be_visible()
    with without_gateway(own):
        write(page, t)
        expect(message(page)).to_contain_text(t("errors.gateway_away"))
        expect(board.get_by_role("alert")).to_have_text(t("errors.gateway_away"))
        with visitor(own) as http:
            answer = http.post(
                "/studio/sign-in", data={"key": own.key}, headers={"accept-language": "es"}
            )
            assert answer.status_code == 503
            assert t("sign_in.gateway_away") in answer.text
    write(page, t)
    expect(page.locator("#home-write-says")).to_have_text(t("home.write_done"))
    expect(board.get_by_role("alert")).to_have_text("")
    expect(board.get_by_role("table")).to_be_visible()


@pytest.mark.parametrize("language", LANGUAGES)
def test_a_network_that_is_cut_is_told_and_needs_no_reload(
    open_page: OpenPage, language: str
) -> None:
    t = Texts(language)
    page = open_page(language=language)
    page.context.set_offline(True)
    write(page, t)
    lost = {"en": "The connection was lost", "es": "Se perdió la conexión"}
    expect(message(page)).to_contain_text(lost[language])
    page.context.set_offline(False)
    expect(page.locator(".toast-body")).to_have_count(0)
    write(page, t)
    expect(page.locator("#home-write-says")).to_have_text(t("home.write_done"))


def test_two_tabs_do_not_disturb_each_other(open_page: OpenPage) -> None:
    t = Texts("en")
    first = open_page()
    second = first.context.new_page()
    second.goto(first.url)
    for page in (first, second):
        write(page, t)
    for page in (first, second):
        expect(page.locator("#home-write-says")).to_have_text(t("home.write_done"))
        expect(page.locator("#home-write-result .verse")).to_be_visible()


# Nonsense.


@pytest.mark.parametrize("language", LANGUAGES)
def test_what_is_too_large_to_upload_is_told(
    open_page: OpenPage, language: str, tmp_path: Path
) -> None:
    large = tmp_path / "large.wav"
    large.write_bytes(recordings.wav(recordings.tone(20)))
    assert large.stat().st_size > MOST
    page = open_page("transcribe", language)
    page.get_by_role("button", name=Texts(language)("microphone.upload")).click()
    page.locator("#transcribe-recording input[type=file]").set_input_files(large)
    says = {"en": "This file is too large", "es": "Este archivo es demasiado grande"}
    expect(message(page)).to_contain_text(says[language])


def record(page: Page, t: Texts, seconds: int) -> None:
    """Records what the microphone hears, for so many seconds at least, of nine."""
    name = {"en": ("Record", "Stop"), "es": ("Grabar", "Detener")}[t.language]
    page.get_by_role("button", name=name[0], exact=True).click()
    # A busy machine may not look at each of them.
    shown = re.compile(rf"^0:(0[{seconds}-9]|[1-5]\d)$")
    expect(page.locator("time").filter(has_text=shown).first).to_be_visible()
    page.get_by_role("button", name=name[1], exact=True).click()


@pytest.mark.parametrize(
    ("path", "language"), [("emotion", "en"), ("transcribe", "es"), ("song", "es")]
)
def test_a_recording_that_is_too_long_is_told(
    open_page: OpenPage, path: str, language: str
) -> None:
    t = Texts(language)
    page = open_page(path, language, permissions=["microphone"])
    if path == "song":
        page.get_by_role("button", name=t("song.from_voice")).click()
    record(page, t, 8)
    note = page.locator(".studio-microphone[role=alert]")
    expect(note).to_have_text(t("microphone.long"))
    accessible(page)
    page.get_by_role("button", name=re.compile("^(Clear|Limpiar|Borrar)$")).click()
    with page.expect_response(lambda answer: "/upload" in answer.url) as sent:
        record(page, t, 1)
    assert sent.value.ok
    expect(note).to_be_empty()


def test_a_recording_that_the_server_refuses_is_told(open_page: OpenPage, own: Product) -> None:
    t = Texts("es")
    _, key = own.new_key("busy")
    page = open_page("transcribe", "es", key=key, permissions=["microphone"])
    file = FilePayload(name="a.wav", mimeType="audio/wav", buffer=bytes(MOST))
    upload = f"{own.studio}/studio/es/gradio_api/upload"
    while page.request.post(upload, multipart={"files": file}).ok:
        pass
    record(page, t, 1)
    expect(page.locator(".studio-microphone")).to_have_text(t("errors.busy"))


def test_the_server_takes_no_upload_that_is_too_large(own: Product) -> None:
    with visitor(own, own.key) as http:
        answer = http.post(f"{API}/upload", files={"files": ("a.wav", bytes(MOST + 1))})
    assert answer.status_code == 413
    assert answer.json()["error"]["message"] == Texts("en")("errors.too_large")


def test_an_address_is_never_run(open_page: OpenPage, own: Product) -> None:
    page = open_page()
    dialogs: list[str] = []

    def opened(dialog: Dialog) -> None:
        dialogs.append(dialog.message)
        dialog.dismiss()

    page.on("dialog", opened)
    nasty = "%22%3E%3Cscript%3Ealert(1)%3C/script%3E%3Cimg%20src=x%20onerror=alert(1)%3E"
    for path in (f"song?job={nasty}", nasty, f"?__theme={nasty}", f"chat?view={nasty}"):
        page.goto(f"{own.studio}/studio/en/{path}")
        expect(page.locator("h1").first).to_be_visible()
    page.get_by_role("button", name="Sign out").click()
    page.goto(f"{own.studio}/studio/sign-in?next={nasty}&lang={nasty}")
    expect(page.locator("#key")).to_be_visible()
    assert dialogs == []


@pytest.mark.parametrize("language", LANGUAGES)
def test_a_page_that_there_is_not_says_so(open_page: OpenPage, own: Product, language: str) -> None:
    t = Texts(language)
    page = open_page(language=language)
    answer = page.goto(f"{own.studio}/studio/{language}/nope")
    assert answer is not None
    assert answer.status == 404
    expect(page.get_by_role("heading")).to_have_text(t("errors.missing_title"))
    page.get_by_role("link", name=t("shell.home")).click()
    page.wait_for_url(f"**/studio/{language}/")


READ = (
    "/studio/nope", "/studio/en/nope", "/studio/fr/", "/studio/en/song/x", "/studio/static/nope.js",
    "/studio/static/../app.py", "/studio/static/%2e%2e/app.py", "/studio/static/..%2fapp.py",
    "/studio/static/v/nope.js", "/studio/static/v/../../app.py", "/studio/static/v/..%2f..%2fx",
    "/studio/en/assets/nope.js", "/studio/en/assets/..%2f..%2fapp.py", "/studio/en/static/..%2fx",
    "/studio/en/monitoring", "/studio/en/monitoring/summary", "/studio/en/manifest.json",
    "/studio/en/pwa_icon", "/studio/en/login", "/studio/en/logout", "/studio/en/svelte/x",
    "/studio/boards/nope", "/studio/boards/models?manages=maybe", "/studio/songs/nope/x",
    "/studio/jobs/x/artifacts/..%2f..%2fetc%2fpasswd", "/studio/songs/..%2f..%2fmodels",
    f"{API}/nope", f"{API}/openapi.json", f"{API}/token", f"{API}/user", f"{API}/dev/reload",
    f"{API}/deep_link", f"{API}/runs", f"{API}/vibe-code", f"{API}/proxy=http://127.0.0.1:1/",
    f"{API}/custom_component/a/b/c/d", f"{API}/call/x/y", f"{API}/call/v2/x/y",
    f"{API}/queue/data", f"{API}/queue/data?session_hash=", f"{API}/queue/status",
    f"{API}/heartbeat/", f"{API}/upload_progress", f"{API}/stream/a/b/c/playlist.m3u8",
    f"{API}/stream/a/1/2/playlist.m3u8", f"{API}/stream/a/1/2/3.ts",
    f"{API}/stream/a/1/2/playlist-file", f"{API}/file=", f"{API}/file=x", f"{API}/file=%00",
    f"{API}/file=http://127.0.0.1:1/", f"{API}/file=https://a.example/x", f"{API}/file/etc/passwd",
)  # fmt: skip
WRITTEN = (
    "queue/join", "cancel", "reset", "component_server", "upload", "run/x", "api/predict", "call/x",
    "call/v2/x", "process_recording", "vibe-edit", "vibe-edit/", "undo-vibe-edit", "vibe-code",
    "vibe-starter-queries", "stream/x", "stream/x/close", "run-history/connect", "nope",
)  # fmt: skip
BODIES: tuple[dict[str, Any], ...] = (
    {"content": b"{bad", "headers": {"content-type": "application/json"}},
    {"content": b"[" * 50_000, "headers": {"content-type": "application/json"}},
    {"content": b"\xff\x00", "headers": {"content-type": "application/json"}},
    {"content": b"x", "headers": {"content-type": "multipart/form-data; boundary=b"}},
    {"content": b"x", "headers": {"content-type": "multipart/form-data"}},
    {"content": b"--b\r\n\r\n", "headers": {"content-type": "multipart/form-data; boundary=b"}},
    {"json": {}},
    {"json": [1]},
    {"json": {"session_hash": 1, "fn_index": "x"}},
    {"json": {"session_hash": "nonsense", "fn_index": 99_999, "data": []}},
    {"json": {"session_hash": "nonsense", "fn_index": -1, "data": None}},
    {"json": {"session_hash": "nonsense", "fn_index": "x", "data": "x"}},
    {"json": {"session_hash": "nonsense", "api_name": "nope", "data": {}}},
    {"json": {"session_hash": "nonsense", "event_id": "x", "fn_index": 0, "component_id": 9}},
)


def told(answer: httpx.Response) -> None:
    """Raises unless an answer refuses as we do."""
    asked = f"{answer.request.method} {answer.request.url}"
    assert 400 <= answer.status_code < 500, (asked, answer.status_code, answer.text[:200])
    assert answer.text.startswith('{"error"'), (asked, answer.text[:200])
    sentence = answer.json()["error"]["message"]
    assert sentence.endswith("."), asked
    for trace in ("Traceback", "gradio", "root:", 'File "'):
        assert trace not in answer.text, asked


def test_nonsense_is_refused_everywhere_in_our_words(own: Product) -> None:
    with visitor(own, own.key) as http:
        for path in READ:
            told(http.get(path))
            told(http.request("DELETE", path))
        for path in WRITTEN:
            for body in BODIES:
                answer = http.post(f"{API}/{path}", **body)
                if answer.status_code == 200:
                    # To stop or forget what there is not is done with that.
                    assert path in ("cancel", "reset")
                    continue
                told(answer)
        assert http.get("/studio/en/").status_code == 200


def test_no_file_is_served_but_those_that_were_made_for_one(own: Product) -> None:
    with visitor(own, own.key) as http:
        [mine] = http.post(f"{API}/upload", files={"files": ("../../../evil.txt", b"mine")}).json()
        folder = Path(mine).parent
        assert Path(mine).name == "evil.txt"
        assert folder.parent.name.startswith("orfeon-studio-")
        assert http.get(f"{API}/file={mine}").text == "mine"
        secrets = ("/etc/passwd", own.home / "orfeon.db", own.home / "server.json", __file__,
                   "/proc/self/environ", folder, folder.parent, f"{mine}/../../../../etc/passwd",
                   f"{folder}/../../etc/passwd", f"{folder.parent}/..%2f..%2fetc%2fpasswd",
                   f"{folder.parent}/%2e%2e/%2e%2e/etc/passwd", "//etc/passwd",
                   f"{mine}%00.txt")  # fmt: skip
        for secret in secrets:
            told(http.get(f"{API}/file={secret}"))
    with httpx.Client(base_url=own.studio) as stranger:
        assert stranger.get(f"{API}/file={mine}").status_code == 401


def test_no_file_of_ours_can_be_sent_as_ones_own(own: Product) -> None:
    with visitor(own, own.key) as http:
        config = http.get("/studio/en/config").json()
        [event] = [
            each["id"]
            for each in config["dependencies"]
            if any(target[1] == "click" for target in each["targets"])
            and [kind_of(config, input) for input in each["inputs"]][:1] == ["audio"]
        ][:1]
        for stolen in ({"path": "/etc/passwd"}, {"path": str(own.home / "server.json")},
                       {"url": "http://127.0.0.1:1/x", "path": "x"}):  # fmt: skip
            file = {**stolen, "meta": {"_type": "gradio.FileData"}}
            inputs = next(one for one in config["dependencies"] if one["id"] == event)["inputs"]
            data = [file, *([None] * (len(inputs) - 1))]
            body = {"fn_index": event, "session_hash": "thief", "data": data}
            assert http.post(f"{API}/queue/join", json=body).status_code == 200
            said = stream_of(http, "thief")
            assert '"success":false' in said
            assert not re.search("root:|secret|Traceback", said)


def kind_of(config: dict[str, Any], component: int) -> str:
    return next(str(one["type"]) for one in config["components"] if one["id"] == component)


def stream_of(http: httpx.Client, tab: str) -> str:
    """What a tab is told until its event has ended."""
    lines = []
    with http.stream("GET", f"{API}/queue/data", params={"session_hash": tab}) as answer:
        for line in answer.iter_lines():
            lines.append(line)
            if "process_completed" in line:
                break
    return "\n".join(lines).replace(" ", "")


def test_nobody_reads_or_stops_what_somebody_else_asked_for(own: Product) -> None:
    _, key = own.new_key("other")
    with visitor(own, own.key) as mine, visitor(own, key) as other:
        config = mine.get("/studio/en/config").json()
        event = config["dependencies"][0]["id"]
        body = {"fn_index": event, "session_hash": "mine", "data": []}
        joined = mine.post(f"{API}/queue/join", json=body).json()
        for stolen in (
            other.get(f"{API}/queue/data?session_hash=mine"),
            other.get(f"{API}/heartbeat/mine"),
            other.post(f"{API}/cancel", json={**body, "event_id": joined["event_id"]}),
            other.post(f"{API}/queue/join", json=body),
            other.get(f"{API}/call/x/{joined['event_id']}"),
        ):
            told(stolen)
        assert json.loads(stream_of(mine, "mine").split("data:")[1].strip())["msg"]
