"""What language models write, in Markdown, as HTML that can do nothing.

HTML in it is shown as text, pictures become links, so that no browser asks another host for them,
and links lead to the web or to a mailbox, in a page of their own.

An answer is rendered again and again while it grows, beside all else that this process does. So
what would take long, of which no ordinary answer has as much, is shown as it was written.
"""

import re
from collections.abc import Sequence
from typing import Any

from markdown_it import MarkdownIt
from markdown_it.common.utils import escapeHtml
from markdown_it.renderer import RendererHTML
from markdown_it.rules_core import StateCore
from markdown_it.token import Token

_SCHEMES = ("https://", "http://", "mailto:")
#: Where Markdown stops to look what it is.
_MARKS = re.compile(r"[^\w\s.,;?/()|\"']|[_\n]")
_MOST_MARKS = 3000
#: From each `[` on, all marks are looked at up to the end of its paragraph.
_MOST_STEPS = 10_000
#: A row of a table is filled up to as many cells as its head has.
_MOST_CELLS = 3000
#: What ends a table.
_GAP = re.compile(r"\n[ \t]*\n")
_LINK = 'target="_blank" rel="noopener noreferrer nofollow"'


class _Renderer(RendererHTML):
    """HTML of Markdown, without anything that loads by itself."""

    def image(self, tokens: Sequence[Token], at: int, options: Any, environment: Any) -> str:
        token = tokens[at]
        name = self.renderInlineAsText(token.children or [], options, environment)
        address = str(token.attrs["src"])
        return f'<a href="{escapeHtml(address)}" {_LINK}>{escapeHtml(name or address)}</a>'

    def link_open(self, tokens: Sequence[Token], at: int, options: Any, environment: Any) -> str:
        return f'<a href="{escapeHtml(str(tokens[at].attrs["href"]))}" {_LINK}>'

    def table_open(self, tokens: Sequence[Token], at: int, options: Any, environment: Any) -> str:
        # A wide one scrolls, also by keyboard, and never the page.
        return '<div class="wide" tabindex="0" role="group"><table>'

    def table_close(self, tokens: Sequence[Token], at: int, options: Any, environment: Any) -> str:
        return "</table></div>"

    def fence(self, tokens: Sequence[Token], at: int, options: Any, environment: Any) -> str:
        return f'<pre tabindex="0"><code>{escapeHtml(tokens[at].content)}</code></pre>'

    def code_block(self, tokens: Sequence[Token], at: int, options: Any, environment: Any) -> str:
        return self.fence(tokens, at, options, environment)

    def heading_open(self, tokens: Sequence[Token], at: int, options: Any, environment: Any) -> str:
        # An answer's headings are no headings of the page.
        return '<p class="heading">'

    def heading_close(
        self, tokens: Sequence[Token], at: int, options: Any, environment: Any
    ) -> str:
        return "</p>"


def _is_harmless(url: str) -> bool:
    """Whether an address may be one to follow."""
    return url.lower().startswith(_SCHEMES)


def _spare(state: StateCore) -> None:
    """Leaves paragraphs as they are whose brackets would take long."""
    left = _MOST_STEPS
    for token in state.tokens:
        if token.type == "inline":
            steps = token.content.count("[") * _marks(token.content)
            if steps > left:
                token.type = "text"
            else:
                left -= steps


def _marks(text: str) -> int:
    return sum(1 for _ in _MARKS.finditer(text))


def _takes_long(answer: str) -> bool:
    return _marks(answer) > _MOST_MARKS or sum(map(_cells, _GAP.split(answer))) > _MOST_CELLS


def _cells(block: str) -> int:
    lines = block.split("\n")
    return len(lines) * max(line.count("|") for line in lines)


_markdown = MarkdownIt("js-default", {"html": False, "breaks": True}, renderer_cls=_Renderer)
_markdown.validateLink = _is_harmless  # type: ignore[method-assign]
_markdown.core.ruler.before("inline", "spare", _spare)


def shown(answer: str) -> str:
    """An answer as HTML in one line, as Gradio's Markdown leaves it alone."""
    answer = answer.replace("\r\n", "\n").replace("\r", "\n")
    if _takes_long(answer):
        return f"<p>{escapeHtml(answer)}</p>".replace("\n", "<br>")
    html: str = _markdown.render(answer)
    return html.replace("\n", "&#10;")
