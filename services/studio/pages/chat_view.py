"""A conversation as HTML: what people wrote is text, what models wrote is harmless Markdown."""

from collections.abc import Iterable, Sequence

from services.studio.answers import shown
from services.studio.conversations import Exchange
from services.studio.markup import text
from services.studio.pictures import Picture
from services.studio.texts import Texts


def question(one: Exchange, t: Texts) -> str:
    """What somebody asked, with the pictures that go with it."""
    asked = text(one.question).replace("\n", "<br>")
    return (
        f'<div class="chat-question"><h2>{text(t("chat.you"))}</h2>'
        f"<div>{asked}{thumbnails(one.pictures, t)}</div></div>"
    )


def answer(one: Exchange, t: Texts) -> str:
    """An answer, as far as it has come. `chat.js` finds the parts that it works with by `data-`."""
    said = shown(one.answer)
    if not one.answer and not one.done:
        said = f'<p class="chat-waiting">{text(t("chat.waiting"))}</p>'
    note = f'<p class="chat-note" role="status">{text(one.note)}</p>' if one.note else ""
    copy = ""
    if one.done and one.answer:
        copy = f'<button type="button" data-copy>{text(t("chat.copy"))}</button>'
    state = "done" if one.done else "growing"
    return (
        f'<div class="chat-answer" data-{state}><h2>{text(t("chat.answer"))}</h2>'
        f"<div data-said>{said}</div>{note}{copy}</div>"
    )


def before_answer(exchanges: Sequence[Exchange], t: Texts) -> str:
    """All but the last answer, which alone changes."""
    *past, last = exchanges
    over = "".join(question(one, t) + answer(one, t) for one in past)
    return over + question(last, t)


def thumbnails(pictures: Iterable[Picture], t: Texts) -> str:
    """Pictures, small, each with its name; nothing where there are none."""
    shown = "".join(
        f'<img src="{picture.thumbnail}" alt="{text(t("chat.picture", name=picture.name))}">'
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
