"""Tables that are cards on a phone (`static/board.css`), and tables to screen readers on both."""

from collections.abc import Iterable, Sequence

#: What stands where there is nothing to say; a card leaves it out.
NOTHING = "–"


def table(caption: str, heads: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """A table of HTML, whose first column names the rows. Roles, since a card is no table."""
    first = "".join(f'<th role="columnheader" scope="col">{head}</th>' for head in heads)
    return (
        f'<table role="table" class="board"><caption>{caption}</caption>'
        f'<thead role="rowgroup"><tr role="row">{first}</tr></thead>'
        f'<tbody role="rowgroup">{"".join(_row(heads, row) for row in rows)}</tbody></table>'
    )


def _row(heads: Sequence[str], row: Sequence[str]) -> str:
    name, *cells = row
    told = "".join(
        f'<td role="cell"{"" if cell else _EMPTY} data-label="{head}">'
        f"<span>{cell or NOTHING}</span></td>"
        for head, cell in zip(heads[1:], cells, strict=True)
    )
    return f'<tr role="row"><th role="rowheader" scope="row">{name}</th>{told}</tr>'


_EMPTY = ' class="nothing"'
