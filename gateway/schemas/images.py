"""Pictures inside requests: data URLs, decoded."""

import base64
import binascii
import re
from typing import Annotated

from pydantic import BeforeValidator

_DATA_URL = re.compile(r"data:image/(png|jpeg|jpg|webp);base64,", re.IGNORECASE)


def _decoded(url: object) -> object:
    """The bytes of a data URL."""
    if not isinstance(url, str):
        return url
    match = _DATA_URL.match(url)
    if match is None:
        if url[:5].lower() == "data:":
            raise ValueError("A picture is a data URL of image/png, image/jpeg or image/webp.")
        raise ValueError(
            "Pictures are not fetched from elsewhere; send them inside the request, as "
            "data:image/png;base64,..."
        )
    try:
        data = base64.b64decode(url[match.end() :], validate=True)
    except (binascii.Error, ValueError):
        raise ValueError("The data URL of a picture holds no valid base64.") from None
    if not data:
        raise ValueError("The data URL of a picture is empty.")
    return data


ImageUrl = Annotated[bytes, BeforeValidator(_decoded, json_schema_input_type=str)]
