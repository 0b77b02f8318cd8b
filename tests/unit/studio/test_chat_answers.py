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
