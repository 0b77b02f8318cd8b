"""A conversation as HTML: what people wrote is text, what models wrote is harmless Markdown."""

from collections.abc import Iterable

from services.studio.answers import shown
from services.studio.conversations import Exchange
from services.studio.markup import text
from services.studio.pictures import Picture
from services.studio.texts import Texts


def exchange(one: Exchange, t: Texts) -> str:
    """A question and its answer. `chat.js` finds the parts that it works with by `data-`."""
    question = text(one.question).replace("\n", "<br>")
    answer = shown(one.answer)
    if not one.answer and not one.done:
        answer = f'<p class="chat-waiting">{text(t("chat.waiting"))}</p>'
    note = f'<p class="chat-note" role="status">{text(one.note)}</p>' if one.note else ""
    copy = ""
    if one.done and one.answer:
        copy = f'<button type="button" data-copy>{text(t("chat.copy"))}</button>'
    state = "done" if one.done else "growing"
    return (
        '<div class="chat-exchange">'
        f'<div class="chat-question"><h2>{text(t("chat.you"))}</h2>'
        f"<div>{question}{thumbnails(one.pictures, t)}</div></div>"
        f'<div class="chat-answer" data-{state}><h2>{text(t("chat.answer"))}</h2>'
        f"<div data-said>{answer}</div>{note}{copy}</div></div>"
    )


def exchanges(several: Iterable[Exchange], t: Texts) -> str:
    """Questions and answers, one after the other."""
    return "".join(exchange(one, t) for one in several)


def thumbnails(pictures: Iterable[Picture], t: Texts) -> str:
    """Pictures, small, each with its name; nothing where there are none."""
    shown = "".join(
        f'<img src="{picture.url}" alt="{text(t("chat.picture", name=picture.name))}">'
        for picture in pictures
    )
    return f'<p class="chat-pictures">{shown}</p>' if shown else ""


def nothing(t: Texts) -> str:
    """A conversation in which nothing was said yet."""
    return f'<p class="chat-waiting">{text(t("chat.empty"))}</p>'


def attached(pictures: Iterable[Picture], t: Texts) -> str:
    """Pictures that go with the next message; nothing where there are none."""
    shown = thumbnails(pictures, t)
    return f'<div role="status">{shown}<p>{text(t("chat.attached"))}</p></div>' if shown else ""


def words(t: Texts) -> str:
    """What `chat.js` says in the page's language, where it can read it."""
    return (
        f'<p id="chat-words" hidden data-copied="{text(t("chat.copied"))}" '
        f'data-cut="{text(t("chat.broke_off"))}" data-log="{text(t("chat.log"))}"></p>'
    )
