"""What the model reads before each line."""

from collections.abc import Sequence
from typing import Protocol

from services.lyrics.genre import Genre
from services.lyrics.song import MOODS, Line, Wish
from services.runtime.llama.generation import LanguageModel, Message, Prompt
from services.runtime.sections import Kind

#: Kinds whose sections are counted in their headings.
_COUNTED: frozenset[Kind] = frozenset({"verse"})


class Tokeniser(Protocol):
    """What of a `LanguageModel` prompts are made with."""

    def conversation(self, messages: Sequence[Message]) -> Prompt:
        """A conversation in the model's own chat template, up to where it answers."""

    def text(self, text: str) -> Prompt:
        """Plain text."""


def order(wish: Wish) -> str:
    """The song that is asked for, in sentences. What the user wrote stands in quotation marks."""
    sentences = ["Write the lyrics of a song."]
    if wish.title:
        sentences.append(f'It is called "{wish.title}".')
    if wish.theme:
        sentences.append(f'It is about "{wish.theme}".')
    if wish.style:
        sentences.append(f'It is in the style of "{wish.style}".')
    if wish.mood:
        sentences.append(f"Its mood is {MOODS[wish.mood]}.")
    if not wish.language.lower().startswith("en"):
        sentences.append(f"Its language has the code {wish.language}.")
    return " ".join([*sentences, "Write short lines with images, and do not explain them."])


def opening(model: Tokeniser, genre: Genre, wish: Wish) -> Prompt:
    """Everything before the song itself. Blocking. Raises `ContextLengthExceeded`."""
    if genre.template == "text":
        return model.text(f"{genre.prompt}\n{order(wish)}\n\n")
    return model.conversation([Message("system", (genre.prompt,)), Message("user", (order(wish),))])


def continued(model: LanguageModel, start: Prompt, song: str) -> Prompt:
    """`start`, and the song as far as it is written. Blocking. Raises `ContextLengthExceeded`."""
    return Prompt((*start.tokens, *middle(model, song)), start.images)


def middle(model: LanguageModel, text: str) -> tuple[int, ...]:
    """The tokens of a text that others are before. Blocking. Raises `ContextLengthExceeded`."""
    # Plain text may begin with a token of its own, which has no place there.
    beginning = len(model.text("").tokens)
    return model.text(text).tokens[beginning:]


def sheet(sections: Sequence[Kind], written: Sequence[Line], title: str, section: int) -> str:
    """The song as far as it is written, up to the beginning of the next line, of `section`.

    Sections that return are left out: the model need not read them again.
    """
    parts = [f"{title}\n"] if title else []
    for at in sorted({line.section for line in written} | {section}):
        parts.append(f"\n[{heading(sections, at)}]\n")
        parts += [f"{line.text}\n" for line in written if line.section == at]
    return "".join(parts).lstrip("\n")


def heading(sections: Sequence[Kind], at: int) -> str:
    """A section's heading, such as `Verse 2`."""
    kind = sections[at]
    number = f" {sections[: at + 1].count(kind)}" if kind in _COUNTED else ""
    return f"{kind.capitalize()}{number}"
