"""Vectors as OpenAI writes them in base64."""

import base64
import struct
from collections.abc import Sequence


def in_base64(vector: Sequence[float]) -> str:
    """32-bit floats, the lowest byte first, in base64."""
    return base64.b64encode(struct.pack(f"<{len(vector)}f", *vector)).decode("ascii")
