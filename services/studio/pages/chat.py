"""The page `chat`: a conversation with a language model, read as it is written."""

import time
from collections.abc import AsyncIterator
from functools import partial
from typing import Any

import gradio as gr

from services.studio.conversations import MOST_PICTURES, Conversation, Exchange
from services.studio.pages import chat_view
from services.studio.pages.chat_form import Form, laid_out
from services.studio.pages.chat_talk import Wish, answered
from services.studio.pages.opening import opening
from services.studio.pictures import Unreadable, looked_at
from services.studio.studio import Studio
from services.studio.texts import Texts
from services.studio.uploads import consumed

#: Events tell nobody but this page, and none waits for another's.
_PRIVATE: dict[str, Any] = {
    "api_visibility": "private", "show_progress": "hidden", "concurrency_limit": None,
    # Who asks again while an answer is written stops that one.
    "trigger_mode": "multiple",
}  # fmt: skip
#: Seconds after which a page that shows nothing new is asked whether it is still there.
_SILENCE = 1.0

Updates = dict[Any, Any]


def build(studio: Studio, t: Texts) -> None:
    """Lays the page out, inside Gradio's blocks."""
    form = laid_out(t)
    page = _Page(studio, t, form)
    wishes = [form.model, form.instructions, form.temperature, form.longest]
    listen = partial(gr.on, **_PRIVATE)
    listen(None, page.open, None, [form.seeing, form.model, form.problem, form.send, form.attach])
    asked = [form.past, form.current, form.waiting, form.detach, form.words, form.stop, form.retry]
    listen(
        [form.send.click, form.words.submit], page.ask,
        [form.conversation, form.words, *wishes], asked,
    )  # fmt: skip
    listen(form.retry.click, page.again, [form.conversation, *wishes], asked)
    listen(form.stop.click, page.stop, form.conversation, None)
    listen(form.clear.click, page.clear, form.conversation, asked)
    listen(
        form.attach.upload, page.attach, [form.conversation, form.attach],
        [form.waiting, form.detach],
    )  # fmt: skip
    listen(form.detach.click, page.detach, form.conversation, [form.waiting, form.detach])
    listen(form.model.input, page.choose, [form.model, form.seeing], form.attach)


class _Page:
    """What happens on the page."""

    def __init__(self, studio: Studio, t: Texts, form: Form) -> None:
        self._studio = studio
        self._t = t
        self._form = form

    async def open(self, request: gr.Request) -> Updates:
        """The models that can chat now, the default first chosen."""
        form = self._form
        async with opening(self._studio, request, self._t) as caller:
            models = [each for each in await caller.orfeon.models() if "chat" in each.tasks]
        models.sort(key=lambda each: (not each.default, each.id))
        seeing = tuple(each.id for each in models if "vision" in each.tasks)
        choices = [
            (self._t("chat.sees", name=each.id) if each.id in seeing else each.id, each.id)
            for each in models
        ]
        chosen = models[0].id if models else None
        return {
            form.seeing: seeing,
            form.model: gr.update(choices=choices, value=chosen),
            form.problem: gr.update(visible=not models),
            form.send: gr.update(interactive=bool(models)),
            form.attach: gr.update(visible=chosen in seeing),
        }

    async def ask(
        self,
        conversation: Conversation,
        words: str | None,
        model: str | None,
        instructions: str | None,
        temperature: float,
        longest: int,
        request: gr.Request,
    ) -> AsyncIterator[Updates]:
        """Answers what was written."""
        if not words or not words.strip():
            raise gr.Error(self._t("chat.say_something"), print_exception=False)
        if _waits(conversation, words):
            # The second of two clicks, which brings the same words.
            return
        # Before anything is waited for, so that the second finds it.
        exchange = conversation.ask(words)
        await conversation.work.end()
        wish = Wish(model or "", instructions or "", temperature, int(longest))
        async for update in self._answer(conversation, exchange, wish, request):
            yield update

    async def again(
        self,
        conversation: Conversation,
        model: str | None,
        instructions: str | None,
        temperature: float,
        longest: int,
        request: gr.Request,
    ) -> AsyncIterator[Updates]:
        """Answers the last question once more."""
        # Before anything is waited for, so that the answer before knows that it is none any more.
        exchange = conversation.again()
        await conversation.work.end()
        wish = Wish(model or "", instructions or "", temperature, int(longest))
        async for update in self._answer(conversation, exchange, wish, request):
            yield update

    async def stop(self, conversation: Conversation) -> None:
        """Stops the answer that is being written."""
        conversation.work.stop()

    async def clear(self, conversation: Conversation) -> Updates:
        """Forgets everything."""
        await conversation.work.end()
        conversation.exchanges.clear()
        conversation.pictures.clear()
        form = self._form
        return {
            **self._attached(conversation),
            form.past: chat_view.nothing(self._t),
            form.current: "",
            form.words: "",
            form.stop: gr.update(interactive=False),
            form.retry: gr.update(interactive=False),
        }

    async def attach(self, conversation: Conversation, upload: str) -> Updates:
        """Adds a picture to the next message."""
        with consumed(upload, self._t) as path:
            if conversation.room <= 0:
                raise gr.Error(self._t("chat.too_many", most=MOST_PICTURES), print_exception=False)
            try:
                conversation.pictures.append(await looked_at(path))
            except Unreadable:
                raise gr.Error(self._t("chat.unreadable"), print_exception=False) from None
        return self._attached(conversation)

    async def detach(self, conversation: Conversation) -> Updates:
        """Takes the pictures back."""
        conversation.pictures.clear()
        return self._attached(conversation)

    async def choose(self, model: str | None, seeing: tuple[str, ...]) -> Updates:
        """Offers to add pictures where the model sees them."""
        return {self._form.attach: gr.update(visible=model in seeing)}

    def _attached(self, conversation: Conversation) -> Updates:
        pictures = conversation.pictures
        return {
            self._form.waiting: gr.update(
                value=chat_view.attached(pictures, self._t), visible=bool(pictures)
            ),
            self._form.detach: gr.update(visible=bool(pictures)),
        }

    async def _answer(
        self, conversation: Conversation, exchange: Exchange, wish: Wish, request: gr.Request
    ) -> AsyncIterator[Updates]:
        form = self._form
        yield {
            **self._attached(conversation),
            form.past: chat_view.before_answer(conversation.exchanges, self._t),
            form.current: chat_view.answer(exchange, self._t),
            form.words: "",
            form.stop: gr.update(interactive=True),
            # Also while this runs: where the network is cut, nothing else would allow it.
            form.retry: gr.update(interactive=True),
        }
        seen, shown = 0, time.monotonic()
        async for _ in answered(self._studio, self._t, request, conversation, exchange, wish):
            if not _is_last(conversation, exchange):
                break
            if exchange.done:
                # Its end is told together with what can be done then.
                continue
            now = time.monotonic()
            if len(exchange.answer) > seen:
                seen, shown = len(exchange.answer), now
                yield {form.current: chat_view.answer(exchange, self._t)}
            elif now - shown > _SILENCE:
                shown = now
                yield {form.current: gr.skip()}
        # Else something else has begun since, which says itself how it goes.
        if _is_last(conversation, exchange):
            yield {
                form.current: chat_view.answer(exchange, self._t),
                form.stop: gr.update(interactive=False),
            }


def _is_last(conversation: Conversation, exchange: Exchange) -> bool:
    return bool(conversation.exchanges) and conversation.exchanges[-1] is exchange


def _waits(conversation: Conversation, words: str) -> bool:
    """Whether just this was asked, and nothing of its answer is there yet."""
    return any(
        (last.question, last.answer, last.done) == (words, "", False)
        for last in conversation.exchanges[-1:]
    )
