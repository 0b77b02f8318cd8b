"""What people are told where an event of a page fails."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import gradio as gr
import pytest
from gradio.state_holder import SessionState

from services.studio.blocks import Pages
from services.studio.texts import LANGUAGES, Texts


async def said(t: Texts, event: Callable[[], str | None], *sent: str) -> str:
    """What an error says that an event ends with."""
    with Pages(t, analytics_enabled=False) as pages:
        choice = gr.Dropdown(["one"])
        gr.Button().click(event if not sent else lambda _: None, [choice] if sent else None, None)
    with pytest.raises(gr.Error) as raised:
        await pages.process_api(pages.fns[0], [*sent])
    assert not raised.value.print_exception
    return str(raised.value.message)


@pytest.mark.parametrize("language", LANGUAGES)
async def test_a_fault_tells_nothing_of_itself(
    language: str, caplog: pytest.LogCaptureFixture
) -> None:
    t = Texts(language)

    def fails() -> None:
        raise FileNotFoundError("/secret/path")

    assert await said(t, fails) == t("errors.unexpected")
    assert "a page failed" in caplog.text


async def test_a_sentence_of_ours_stays(caplog: pytest.LogCaptureFixture) -> None:
    def refuses() -> None:
        raise gr.Error("Say less.", print_exception=False)

    assert await said(Texts("es"), refuses) == "Say less."
    assert caplog.text == ""


async def test_what_was_sent_is_neither_told_nor_printed(
    caplog: pytest.LogCaptureFixture, capfd: pytest.CaptureFixture[str]
) -> None:
    t = Texts("es")
    assert await said(t, lambda: None, "a secret of mine") == t("errors.refused")
    assert "secret" not in caplog.text + "".join(capfd.readouterr())


async def given(file: dict[str, Any]) -> str | None:
    """What an event is given of a file, as a browser names it."""
    got: list[str | None] = []
    with Pages(Texts("en"), analytics_enabled=False) as pages:
        recording = gr.File()
        gr.Button().click(got.append, recording, None)
    await pages.process_api(pages.fns[0], [{"meta": {"_type": "gradio.FileData"}, **file}])
    return got[0]


async def test_a_file_that_was_uploaded_is_given(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GRADIO_TEMP_DIR", str(tmp_path))
    file = tmp_path / "0123abcd" / "voice.wav"
    file.parent.mkdir()
    file.write_bytes(b"voice")
    assert await given({"path": str(file)}) == str(file)


@pytest.mark.parametrize(
    "path",
    [
        "/etc/passwd", "/dev/zero", "/proc/self/environ", "/proc/self/fd/0", "voice.wav", "", "\0",
        "http://203.0.113.1/a.wav", "https://files.example/a.wav", "file:///etc/passwd",
        "{folder}/../precious.db", "{folder}/a/../../precious.db", "{folder}//a", "{folder}/.",
        "{folder}/link", "{folder}", "{folder}-other/a", "{precious}",
    ],
)  # fmt: skip
@pytest.mark.parametrize("stream", [False, True])
async def test_no_other_file_is_read_fetched_or_deleted(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, path: str, stream: bool
) -> None:
    folder, precious = tmp_path / "uploads", tmp_path / "precious.db"
    folder.mkdir()
    precious.write_bytes(b"keys")
    (folder / "link").symlink_to(precious)
    monkeypatch.setenv("GRADIO_TEMP_DIR", str(folder))
    named = path.format(folder=folder, precious=precious)
    with pytest.raises(gr.Error) as raised:
        await given({"path": named, "is_stream": stream})
    assert raised.value.message == Texts("en")("errors.refused")
    assert precious.read_bytes() == b"keys"


async def test_a_file_is_found_wherever_it_is_hidden(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GRADIO_TEMP_DIR", str(tmp_path))
    with Pages(Texts("en"), analytics_enabled=False) as pages:
        box = gr.JSON()
        gr.Button().click(lambda _: None, box, None)
    for hidden in ([{"a": [{"path": "/etc/passwd"}]}], [[[{"path": 1}]]], [{"path": None}]):
        with pytest.raises(gr.Error):
            await pages.process_api(pages.fns[0], hidden)


async def test_the_end_of_an_event_tells_nothing_again() -> None:
    def grows() -> Iterator[dict[Any, Any]]:
        yield {answer: "Once", count: 1}
        yield {answer: "Once upon"}

    with Pages(Texts("en"), analytics_enabled=False) as pages:
        answer, other, count = gr.Textbox(), gr.Textbox(), gr.State(0)
        gr.Button().click(grows, None, [answer, other, count])
    told, iterator, going = [], None, True
    while going:
        step = await pages.process_api(
            pages.fns[0], [], iterator=iterator, session_hash="tab", event_id="event",
            state=SessionState(pages),
        )  # fmt: skip
        iterator, going = step["iterator"], step["is_generating"]
        told.append(step["data"])
    nothing = {"__type__": "update"}
    assert told == [
        ["Once", nothing, None],
        [[["append", [], " upon"]], [], []],
        [nothing, nothing, None],
    ]
    assert pages.pending_diff_streams["tab"] == {}
