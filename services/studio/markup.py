"""HTML that is shown in Gradio's Markdown, where what people wrote is text and nothing else."""

import re

# All that Markdown, HTML or LaTeX may take for something of theirs.
_SPECIAL = re.compile(r"[^\w\s.,:;?ÁÉÍÓÚÜÑáéíóúüñ¿¡'-]|_")
_GAPS = re.compile(r"\s*\n\s*")


def text(value: object) -> str:
    """What somebody wrote, as HTML that shows just that."""
    return _SPECIAL.sub(lambda found: f"&#{ord(found[0])};", str(value))


def block(html: str) -> str:
    """HTML in one line: Markdown would end a block at an empty one."""
    return _GAPS.sub(" ", html.strip())
