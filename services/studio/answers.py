"""What language models write, in Markdown, as HTML that can do nothing.

HTML in it is shown as text, pictures become links, so that no browser asks another host for them,
and links lead to the web or to a mailbox, in a page of their own.
"""

from collections.abc import Sequence
from typing import Any

from markdown_it import MarkdownIt
from markdown_it.common.utils import escapeHtml
from markdown_it.renderer import RendererHTML
from markdown_it.token import Token

_SCHEMES = ("https://", "http://", "mailto:")
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


_markdown = MarkdownIt("js-default", {"html": False, "breaks": True}, renderer_cls=_Renderer)
_markdown.validateLink = _is_harmless  # type: ignore[method-assign]


def shown(answer: str) -> str:
    """An answer as HTML in one line, as Gradio's Markdown leaves it alone."""
    html: str = _markdown.render(answer)
    return html.replace("\n", "&#10;")
