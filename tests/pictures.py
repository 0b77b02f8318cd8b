"""Pictures as files."""

import io
from typing import Any

from PIL import Image


def picture_file(picture: Image.Image, kind: str = "PNG", **options: Any) -> bytes:
    """The file of a picture."""
    sink = io.BytesIO()
    picture.save(sink, kind, **options)
    return sink.getvalue()
