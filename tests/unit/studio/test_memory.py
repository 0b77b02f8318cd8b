"""What is remembered of pages that are open."""

import datetime

import gradio as gr

from services.studio.memory import CLOSED, OPEN, Memory


class Thing:
    """Something that a page keeps."""

    def __init__(self) -> None:
        self.said: list[str] = []


def pages() -> tuple[Memory, int, list[Thing]]:
    """A memory of pages, the state that each has, and those that were told of their end."""
    gone: list[Thing] = []
    with gr.Blocks(analytics_enabled=False) as blocks:
        state = gr.State(Thing(), delete_callback=gone.append)
    return Memory(blocks), state._id, gone


def later(remembered: Memory, seconds: float) -> None:
    """Lets time go by since pages were used, and forgets what is old."""
    for name in remembered.time_last_used:
        remembered.time_last_used[name] -= datetime.timedelta(seconds=seconds)
    remembered.delete_all_expired_state()


async def test_each_page_has_a_state_of_its_own() -> None:
    remembered, state, _ = pages()
    one, other = remembered["one"][state], remembered["other"][state]
    one.said.append("hello")
    assert other.said == []
    assert remembered["one"][state] is one


async def test_a_page_that_was_closed_is_forgotten_with_what_it_did() -> None:
    remembered, state, gone = pages()
    thing = remembered["one"][state]
    remembered.session_data["one"].is_closed = True
    later(remembered, CLOSED - 60)
    assert gone == []
    later(remembered, 61)
    assert gone == [thing]
    assert not remembered.session_data
    assert not remembered.time_last_used


async def test_a_page_whose_connection_comes_back_is_open() -> None:
    remembered, state, gone = pages()
    remembered["one"][state].said.append("hello")
    remembered.session_data["one"].is_closed = True
    assert remembered["one"][state].said == ["hello"]
    later(remembered, CLOSED + 60)
    assert "one" in remembered
    later(remembered, OPEN - CLOSED)
    assert "one" not in remembered
    assert len(gone) == 1


async def test_a_page_keeps_its_states_and_nothing_else() -> None:
    remembered, state, _ = pages()
    page = remembered["one"]
    assert page[state].said == []
    assert list(page.state_data) == [state]
    assert page.config_values == {}
