"""What people are told where an event of a page fails."""

from collections.abc import Callable

import gradio as gr
import pytest

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
