"""What people wrote, shown as just that."""

import html
import re

import pytest

from services.studio.markup import block, text

NASTY = [
    "<script>alert(1)</script>",
    "<img src=x onerror=alert(1)>",
    '" onmouseover="alert(1)',
    "[a link](javascript:alert(1))",
    "![picture](https://evil.example/p.png)",
    "`code` *bold* _it_ **b** ~~s~~ # head | table",
    "$x$ $$y$$ \\(z\\) \\[w\\]",
    "&lt;b&gt; &amp;",
    "javascript:alert(1) data:text/html,<b>",
    "https://evil.example <https://evil.example>",
    "a@evil.example",
    "日本語 ñ ß 😀",
    "\x00\x1b[31m",
]


@pytest.mark.parametrize("words", NASTY)
def test_whatever_is_written_is_text(words: str) -> None:
    shown = text(words)
    assert not re.search(r"[<>\"`*_\[\]()#|~$\\@{}=/!]", re.sub(r"&#\d+;", "", shown))
    if "\x00" not in words:
        assert html.unescape(shown) == words


def test_values_of_other_kinds_are_shown_as_words() -> None:
    assert text(3.5) == "3.5"
    assert text(None) == "None"


def test_markdown_sees_no_empty_line() -> None:
    words = text("one\n\n# two")
    shown = block(f"<p>\n\n  {words}\n</p>")
    assert "\n" not in shown
    assert shown == "<p> one &#35; two </p>"
