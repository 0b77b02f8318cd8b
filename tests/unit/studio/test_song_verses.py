"""Lyrics as people edit them, and back."""

import pytest

from orfeon import WrittenSection
from services.studio.texts import LANGUAGES, Texts
from services.studio.verses import fault, parsed, written

SONG: list[WrittenSection] = [
    {"kind": "verse", "lines": ["Two cups, one chair", "Nobody there"]},
    {"kind": "pre-chorus", "lines": ["And then"]},
    {"kind": "chorus", "lines": ["Come home"]},
    {"kind": "chorus", "lines": ["Come home"]},
]
EN = Texts("en")


@pytest.mark.parametrize("language", LANGUAGES)
@pytest.mark.parametrize("other", LANGUAGES)
def test_what_is_shown_in_a_language_is_read_back_in_any(language: str, other: str) -> None:
    kinds = ["intro", "verse", "pre-chorus", "chorus", "bridge", "outro"]
    song: list[WrittenSection] = [{"kind": kind, "lines": [f"This is {kind}"]} for kind in kinds]
    assert parsed(written(song, Texts(language))) == song
    assert parsed(written(SONG, Texts(language))) == SONG
    assert fault(SONG, Texts(other)) == ""


def test_a_heading_stands_in_brackets() -> None:
    assert written(SONG[:1], Texts("es")) == "[Estrofa]\nTwo cups, one chair\nNobody there"


@pytest.mark.parametrize(
    "heading",
    [
        "[Chorus]", "[chorus 2]", "[CHORUS]", "[ Refrain ]", "[Estribillo:]", "# Chorus",
        "## Coro", "**Chorus**", "**Chorus:**", "Chorus:", "Chorus 2:", "Hook:", "[coro #2]",
    ],
)  # fmt: skip
def test_headings_are_understood_as_people_write_them(heading: str) -> None:
    assert parsed(f"{heading}\nCome home") == [{"kind": "chorus", "lines": ["Come home"]}]


@pytest.mark.parametrize("line", ["Chorus of angels", "He said: stop", "(ooh, ooh)", "Bridge"])
def test_a_line_that_only_looks_like_a_heading_is_sung(line: str) -> None:
    assert parsed(f"[Verse]\n{line}") == [{"kind": "verse", "lines": [line]}]


def test_what_stands_before_the_first_heading_is_a_verse() -> None:
    assert parsed("Two cups\n[Chorus]\nCome home") == [
        {"kind": "verse", "lines": ["Two cups"]},
        {"kind": "chorus", "lines": ["Come home"]},
    ]


def test_paragraphs_without_headings_are_verses() -> None:
    assert [section["lines"] for section in parsed("One\nTwo\n\n\nThree\n")] == [
        ["One", "Two"],
        ["Three"],
    ]
    # With headings an empty line is nothing but an empty line.
    assert parsed("[Verse]\n\nOne\n\nTwo") == [{"kind": "verse", "lines": ["One", "Two"]}]


def test_a_bracket_that_nobody_knows_begins_a_part_and_is_not_sung() -> None:
    assert parsed("[Chorus]\nCome\n[Guitar solo]\nGo") == [
        {"kind": "chorus", "lines": ["Come"]},
        {"kind": "verse", "lines": ["Go"]},
    ]


def test_what_nobody_can_sing_is_left_out() -> None:
    assert parsed("[Verse]\n---\n \t\n…\nTwo\x00\tcups\x1b[0m\n[Outro]\n") == [
        {"kind": "verse", "lines": ["Two cups [0m"]}
    ]
    assert parsed("") == parsed("\n\n") == parsed("[Verse]\n\n[Chorus]") == []


@pytest.mark.parametrize(
    ("song", "says"),
    [
        ([], "There are no lyrics yet"),
        ([{"kind": "verse", "lines": ["a"] * 65}], "these are 65"),
        ([{"kind": "verse", "lines": ["a"]}] * 17, "these are 17"),
        ([{"kind": "verse", "lines": ["a" * 201]}], "may have 200 characters"),
    ],
)
def test_what_is_too_much_is_told_in_a_sentence(song: list[WrittenSection], says: str) -> None:
    assert says in fault(song, EN)


def test_scripts_are_words_like_others() -> None:
    line = '<script>alert("x")</script>'
    assert parsed(f"[Verse]\n{line}") == [{"kind": "verse", "lines": [line]}]
