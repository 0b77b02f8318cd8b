"""What pages answer to clicks where something went wrong: a network, a gateway, a hand."""

import asyncio
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import gradio as gr
import httpx
import pytest
from starlette.requests import Request

from services.studio.caller import Gateway
from services.studio.conversations import Conversation
from services.studio.pages import chat, emotion, images, song, speak, transcribe
from services.studio.sessions import COOKIE, Sessions
from services.studio.settings import StudioSettings
from services.studio.studio import Studio
from services.studio.texts import LANGUAGES, Texts

EN = Texts("en")
#: What a component is changed to, by what it is called.
Changes = dict[str, Any]
WISH = ("parrot", "", 0.7, 100)


def away(request: httpx.Request) -> httpx.Response:
    raise httpx.ConnectError("nobody is there", request=request)


class Opened:
    """A page of a studio, and the request that its events come with.

    Its gateway is away, unless there is a `transport` to it.
    """

    def __init__(
        self,
        build: Callable[[Studio, Texts], None],
        t: Texts = EN,
        transport: httpx.AsyncBaseTransport | None = None,
    ) -> None:
        sessions = Sessions(3600, 3600, 10)
        transport = transport or httpx.MockTransport(away)
        gateway = Gateway("http://gateway", sessions, 5, transport=transport)

        async def renew() -> str:
            return "sk-orf-x"

        cookie = f"{COOKIE}={sessions.open('somebody', renew, 'somebody').id}".encode()
        scope = {"type": "http", "headers": [(b"cookie", cookie)]}
        self.request = gr.Request(Request(scope))
        self.sessions = sessions
        with gr.Blocks(analytics_enabled=False) as self.blocks:
            build(Studio(StudioSettings(), sessions, gateway), t)

    def event(self, name: str) -> Callable[..., Any]:
        """What happens in the page, by the name of the function."""
        found: Callable[..., Any] = next(
            each.fn for each in self.blocks.fns.values() if each.fn and each.name == name
        )
        return found

    def state(self) -> Any:
        """What the page holds for a browser."""
        return next(
            each.value for each in self.blocks.blocks.values() if isinstance(each, gr.State)
        )


def changes(updates: dict[Any, Any]) -> Changes:
    return {
        component.elem_id or component.value: update
        for component, update in updates.items()
        if not isinstance(component, gr.State)
    }


async def seen(events: AsyncIterator[dict[Any, Any]]) -> list[Changes]:
    """What an event shows until it fails, which it has to."""
    shown = []
    try:
        async for updates in events:
            shown.append(changes(updates))
    except gr.Error:
        return shown
    raise AssertionError("it did not fail")


# The network was cut: what ran tells nothing any more.


@pytest.mark.parametrize(
    ("build", "end", "go", "stop", "status", "says"),
    [
        (speak.build, "stop", "speak-go", "speak-cancel", "speak-status", EN("speak.cancelled")),
        (
            transcribe.build, "stop", "transcribe-go", "transcribe-cancel", "transcribe-status",
            EN("transcribe.cancelled"),
        ),
        (
            emotion.build, "_end", "emotion-hear", "emotion-stop", "emotion-result",
            EN("emotion.stopped"),
        ),
    ],
)  # fmt: skip
async def test_who_stops_what_a_cut_network_took_along_can_go_on(
    build: Callable[[Studio, Texts], None], end: str, go: str, stop: str, status: str, says: str
) -> None:
    page = Opened(build)
    at_rest = changes(await page.event(end)(page.state()))
    assert at_rest[go]["interactive"]
    assert not at_rest[stop]["visible"]
    assert says in at_rest[status]


# Whoever signs out ends what runs in all tabs.


class Endless(httpx.AsyncBaseTransport):
    """A gateway that works on a request for good; `at_work` counts how many."""

    def __init__(self) -> None:
        self.at_work = 0
        self.begun = asyncio.Event()

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        self.at_work += 1
        self.begun.set()
        try:
            await asyncio.Event().wait()
        finally:
            self.at_work -= 1
        raise AssertionError


@pytest.mark.parametrize("dismissed", [False, True])
@pytest.mark.parametrize(
    ("build", "event"), [(emotion.build, "_answer"), (song.build, "write")], ids=["voice", "lyrics"]
)
async def test_who_signs_out_ends_what_runs_and_is_told_so(
    build: Callable[[Studio, Texts], None], event: str, dismissed: bool, tmp_path: Path
) -> None:
    gateway = Endless()
    page = Opened(build, transport=gateway)
    file = tmp_path / "upload" / "voice.wav"
    file.parent.mkdir()
    file.write_bytes(bytes(1000))
    given = {
        "_answer": (str(file), False, page.state(), page.request),
        "write": (page.request, "rock", "", "", "", "", "en", "medium", False),
    }
    events = page.event(event)(*given[event])

    async def run() -> None:
        async for _ in events:
            pass

    running = asyncio.create_task(run())
    await asyncio.wait_for(gateway.begun.wait(), 60)
    [session] = page.sessions._sessions
    (page.sessions.dismiss if dismissed else page.sessions.close)(session)
    with pytest.raises(gr.Error) as raised:
        await asyncio.wait_for(running, 60)
    assert raised.value.message == EN("errors.signed_out")
    assert gateway.at_work == 0
    assert event == "write" or not file.exists()


# A recording that is picked while another is worked on stays.


@pytest.mark.parametrize(
    ("build", "event", "recording", "rest"),
    [
        (transcribe.build, "transcribe", "transcribe-recording", ("", False, True)),
        (emotion.build, "_answer", "emotion-recording", (False,)),
    ],
)
async def test_a_recording_is_taken_once(
    build: Callable[[Studio, Texts], None],
    event: str,
    recording: str,
    rest: tuple[Any, ...],
    tmp_path: Path,
) -> None:
    page = Opened(build)
    file = tmp_path / "upload" / "voice.wav"
    file.parent.mkdir()
    file.write_bytes(bytes(1000))
    answers = page.event(event)
    first, *others = await seen(answers(str(file), *rest, page.state(), page.request))
    assert first[recording] is None
    assert others
    assert not any(recording in each for each in others)
    # It is gone by now, and nothing has begun.
    [only] = await seen(answers(str(file), *rest, page.state(), page.request))
    assert only[recording] is None


# Chat.


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Questions in the order in which they came to be answered; none of the answers ever ends."""
    came: list[str] = []

    async def answered(*given: Any) -> AsyncIterator[None]:
        *_, conversation, exchange, _ = given
        came.append(exchange.question)
        try:
            async for _ in conversation.work.run(asyncio.Event().wait(), lambda: 0.001):
                yield
        finally:
            exchange.done = True

    monkeypatch.setattr(chat, "answered", answered)
    monkeypatch.setattr(chat, "_SILENCE", 0)
    return came


async def writing(words: str) -> tuple[Opened, Conversation, AsyncIterator[Any]]:
    """A page that is open, with a conversation in which an answer to `words` is written."""
    page, conversation = Opened(chat.build), Conversation()
    answer = page.event("ask")(conversation, words, *WISH, page.request)
    for _ in range(2):
        await anext(answer)
    return page, conversation, answer


async def test_two_clicks_on_send_ask_once(asked: list[str]) -> None:
    page, conversation, first = await writing("Hello")
    ask = page.event("ask")
    assert [each async for each in ask(conversation, "Hello", *WISH, page.request)] == []
    assert [each.question for each in conversation.exchanges] == ["Hello"]
    conversation.work.stop()
    async for _ in first:
        pass
    # Who says it again later means it.
    await anext(ask(conversation, "Hello", *WISH, page.request))
    assert [each.question for each in conversation.exchanges] == ["Hello", "Hello"]


async def test_two_clicks_while_another_answer_is_written_ask_once(asked: list[str]) -> None:
    page, conversation, _ = await writing("Before")
    ask = page.event("ask")
    clicks = [ask(conversation, "Hello", *WISH, page.request) for _ in range(2)]
    await asyncio.gather(*(anext(click, None) for click in clicks))
    assert [each.question for each in conversation.exchanges] == ["Before", "Hello"]


async def test_an_answer_can_be_asked_for_again_before_it_has_ended(asked: list[str]) -> None:
    page, conversation = Opened(chat.build), Conversation()
    first = page.event("ask")(conversation, "Hello", *WISH, page.request)
    assert changes(await anext(first))[EN("chat.retry")]["interactive"]
    await anext(first)
    again = page.event("again")(conversation, *WISH, page.request)
    assert changes(await anext(again))[EN("chat.stop")]["interactive"]
    await anext(again)
    # It would put the page at rest.
    assert [each async for each in first if changes(each).get(EN("chat.stop"))] == []
    assert asked == ["Hello", "Hello"]
    assert len(conversation.exchanges) == 1


async def test_the_end_of_an_answer_is_told_with_what_can_be_done_then(asked: list[str]) -> None:
    _, conversation, answer = await writing("Hello")
    conversation.exchanges[-1].answer = "You"
    conversation.work.stop()
    conversation.exchanges[-1].done = True
    [end] = [changes(each) async for each in answer]
    assert not end[EN("chat.stop")]["interactive"]


# Pages that are opened while the gateway is away.


@pytest.mark.parametrize("language", LANGUAGES)
@pytest.mark.parametrize(
    ("build", "event", "given"),
    [(chat.build, "open", ()), (song.build, "opened", ()), (speak.build, "offer", ("",))],
)
async def test_who_opens_a_page_while_the_gateway_is_away_is_told_to_reload_it(
    build: Callable[[Studio, Texts], None], event: str, given: tuple[Any, ...], language: str
) -> None:
    t = Texts(language)
    page = Opened(build, t)
    with pytest.raises(gr.Error) as raised:
        await page.event(event)(*given, page.request)
    assert raised.value.message == f"{t('errors.gateway_away')} {t('errors.reload')}"
    assert not raised.value.print_exception


async def test_who_is_signed_out_is_told_to_reload_once() -> None:
    page = Opened(song.build)
    page.request = gr.Request(Request({"type": "http", "headers": []}))
    with pytest.raises(gr.Error) as raised:
        await page.event("opened")(page.request)
    assert raised.value.message == EN("errors.signed_out")


async def test_the_page_that_makes_images_is_not_blank_then() -> None:
    page = Opened(images.build)
    [only] = await seen(page.event("opened")(page.state(), page.request))
    assert only["images-problem"]["visible"]
    assert only["images-problem"]["value"].endswith(EN("errors.reload"))


async def test_nothing_is_sent_to_a_model_that_there_is_not() -> None:
    page = Opened(chat.build)
    [send] = [
        each
        for each in page.blocks.blocks.values()
        if isinstance(each, gr.Button) and each.value == EN("chat.send")
    ]
    assert not send.interactive
