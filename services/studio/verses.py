"""Lyrics as people edit them, sections under headings, and as the gateway wants them."""

import re
import unicodedata
from collections.abc import Iterable

from orfeon.jobs import WrittenSection
from services.studio.texts import Texts

#: What the gateway takes.
MAX_SECTIONS, MAX_LINES, MAX_CHARACTERS = 16, 64, 200

# By kind, what people call it.
_NAMES = {
    "intro": "intro introduction introducción introduccion entrada",
    "verse": "verse stanza strophe verso estrofa",
    "pre-chorus": "pre-chorus prechorus pre-coro precoro pre-estribillo preestribillo",
    "chorus": "chorus refrain hook coro estribillo",
    "bridge": "bridge puente",
    "outro": "outro ending coda final cierre",
}
_KINDS = {name: kind for kind, names in _NAMES.items() for name in names.split()}
_BRACKETS = re.compile(r"\[([^\]]*)\]")
_MARKED = re.compile(r"(?:[#*]+\s*(?P<marked>[^*:]+?)[*:]*|(?P<ended>[^:]+):)")
_NUMBER = re.compile(r"[\s\d.:#]+$")


def parsed(text: str) -> list[WrittenSection]:
    """The sections of a text, as far as they have lines.

    A heading is in brackets, or is marked in one of the ways of Markdown and of song books, in any
    of our languages. What stands before the first is a verse; in a text without any each paragraph
    is one. Lines without a letter or a digit are left out.
    """
    rows = [_plain(row) for row in text.splitlines()]
    headed = any(_heading(row) for row in rows)
    sections: list[WrittenSection] = [{"kind": "verse", "lines": []}]
    for row in rows:
        if kind := _heading(row):
            sections.append({"kind": kind, "lines": []})
        elif any(letter.isalnum() for letter in row):
            sections[-1]["lines"].append(row)
        elif not row and not headed:
            sections.append({"kind": "verse", "lines": []})
    return [section for section in sections if section["lines"]]


def written(sections: Iterable[WrittenSection], t: Texts) -> str:
    """Sections as people see them: a heading each, an empty line between them."""
    return "\n\n".join(
        "\n".join([f"[{t('song.part_' + section['kind'])}]", *section["lines"]])
        for section in sections
    )


def fault(sections: list[WrittenSection], t: Texts) -> str:
    """What keeps these from being sung, as a sentence; empty where nothing does."""
    lines = [line for section in sections for line in section["lines"]]
    if not lines:
        return t("song.no_lyrics")
    if len(lines) > MAX_LINES:
        return t("song.too_many_lines", most=MAX_LINES, lines=len(lines))
    if len(sections) > MAX_SECTIONS:
        return t("song.too_many_parts", most=MAX_SECTIONS, parts=len(sections))
    if long := [line for line in lines if len(line) > MAX_CHARACTERS]:
        return t("song.line_too_long", most=MAX_CHARACTERS, line=f"{long[0][:30]}…")
    return ""


def _plain(row: str) -> str:
    """A line without what nobody sees: control characters, and more than one space."""
    shown = "".join(" " if unicodedata.category(letter) == "Cc" else letter for letter in row)
    return " ".join(shown.split())


def _heading(row: str) -> str:
    """The kind of section that a line begins; empty where it begins none."""
    if found := _BRACKETS.fullmatch(row):
        # Nobody sings what is in brackets, so one that we do not know begins a section too.
        return _kind(found[1]) or "verse"
    if found := _MARKED.fullmatch(row):
        return _kind(found["marked"] or found["ended"])
    return ""


def _kind(name: str) -> str:
    return _KINDS.get(_NUMBER.sub("", name).strip().casefold().replace(" ", "-"), "")
