import sys
from types import FrameType

import pytest

from services.studio.answers import shown


@pytest.mark.parametrize(
    "written",
    [
        "<script>alert(1)</script>",
        "<img src=x onerror=alert(1)>",
        "a <b onclick=alert(1)>b</b> c",
        "<style>*{display:none}</style>",
        "<!-- gone -->",
        "- x\n\n<iframe src='https://example.org'></iframe>",
        "| <script> |\n|--|\n| <img src=x> |",
        "# <svg/onload=alert(1)>",
    ],
)
def test_html_in_an_answer_is_text(written: str) -> None:
    html = shown(written)
    for tag in ("script", "img", "b onclick", "style", "!--", "iframe", "svg"):
        assert f"<{tag}" not in html
    assert "&lt;" in html


@pytest.mark.parametrize(
    "address",
    [
        "javascript:alert(1)",
        "JaVaScRiPt:alert(1)",
        "vbscript:x",
        "data:text/html,<script>",
        "file:///etc/passwd",
        "/studio/sign-out",
        "//example.org",
        "&#106;avascript:alert(1)",
    ],
)
@pytest.mark.parametrize("mark", ["", "!"])
def test_a_link_leads_to_the_web_or_nowhere(address: str, mark: str) -> None:
    html = shown(f"{mark}[here]({address})")
    assert "<a" not in html
    assert "<img" not in html
    assert "here" in html


def test_a_link_opens_a_page_of_its_own_that_knows_nothing_of_this_one() -> None:
    html = shown('[here](https://example.org/?a="><script>)')
    assert html.count("<a") == 1
    assert 'target="_blank" rel="noopener noreferrer nofollow"' in html
    assert "<script" not in html


def test_a_picture_is_a_link_so_that_nobody_asks_its_host() -> None:
    html = shown('![a "cat"](https://example.org/cat.png?key=secret)')
    assert "<img" not in html
    assert '<a href="https://example.org/cat.png?key=secret"' in html
    assert "a &quot;cat&quot;</a>" in html


def test_a_picture_without_a_name_is_called_by_its_address() -> None:
    assert ">https://example.org/cat.png</a>" in shown("![](https://example.org/cat.png)")


def test_code_keeps_its_lines_though_all_of_it_is_one() -> None:
    html = shown("```python\nif x < 1:\n\n    print('<b>')\n```")
    assert "\n" not in html
    assert "if x &lt; 1:&#10;&#10;    print('&lt;b&gt;')&#10;" in html


def test_an_answer_that_is_not_finished_is_shown_as_far_as_it_is() -> None:
    for piece in ("**bo", "```py\nx", "| a | b |\n|--", "[he", "![", "<scr"):
        assert shown(piece)


def test_headings_of_an_answer_are_none_of_the_page() -> None:
    assert "<h1" not in shown("# Big")
    assert "Big" in shown("# Big")


def looks(answer: str) -> int:
    """How many functions are called to show an answer."""
    calls = 0

    def count(frame: FrameType, event: str, argument: object) -> None:
        nonlocal calls
        calls += event == "call"

    sys.setprofile(count)
    try:
        shown(answer)
    finally:
        sys.setprofile(None)
    return calls


@pytest.mark.parametrize(
    "piece",
    [
        "[", "![", "[a](", "[a ", "*", "*a ", "_a ", "**a", "`", "`a``b", "~~a ", ">", ">[\n",
        "- ", "- a\n", "- a\r", "1) a\n\n   b\n", "<", "<a b=", "&amp;", "|a|\n|-|\n", "a\n",
        "# a\n", "a:b ", "\n\n" + "[" * 60, "\n\n" + "![a" * 30, "\n\n" + "[*a" * 25,
    ],
)  # fmt: skip
def test_nothing_that_a_model_writes_takes_long_to_show(piece: str) -> None:
    assert looks((piece * 100_000)[:100_000]) < 500_000


@pytest.mark.parametrize("end", ["\n", "\r", "\r\n"])
def test_a_table_is_not_filled_up_without_end(end: str) -> None:
    lines = ["|a" * 500, "|-" * 500 + "|", *["a"] * 131]
    assert looks(end.join(lines)) < 500_000


def test_what_would_take_long_is_shown_as_it_was_written() -> None:
    assert shown("<b>\n" * 3000) == "<p>" + "&lt;b&gt;<br>" * 3000 + "</p>"
    html = shown("[" * 100 + "<b>\n\n**so**")
    assert "[" * 100 + "&lt;b&gt;" in html
    assert "<strong>so</strong>" in html


def test_a_long_answer_of_the_ordinary_kind_is_markdown() -> None:
    code = "```python\n" + 'print(f"{name}: {table[key]}", end="")\n' * 200 + "```\n"
    prose = "Some **words**, as [here](https://example.org), and `more`.\n\n" * 80
    table = "| a | b | c |\n|---|---|---|\n" + "| 1 | 2 | 3 |\n" * 100
    html = shown(code + prose + table)
    assert html.count("<strong>") == 80
    assert html.count("<a ") == 80
    assert html.count("<tr>") == 101
