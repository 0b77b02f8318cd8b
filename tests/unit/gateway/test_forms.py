"""Forms read as they come, however they are cut into pieces."""

from collections.abc import AsyncIterator
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.types import Message

from gateway.forms import FormField, FormFile, form_items
from services.runtime.errors import ContentTooLarge, InvalidRequest


def request_of(pieces: list[bytes], boundary: str = "x") -> Request:
    left = iter(pieces)

    async def receive() -> Message:
        piece = next(left, None)
        return {"type": "http.request", "body": piece or b"", "more_body": piece is not None}

    headers = [(b"content-type", f"multipart/form-data; boundary={boundary}".encode())]
    return Request({"type": "http", "headers": headers}, receive)


def form(*parts: tuple[str, bytes]) -> bytes:
    body = b""
    for disposition, data in parts:
        body += f"--x\r\nContent-Disposition: form-data; {disposition}\r\n\r\n".encode()
        body += data + b"\r\n"
    return body + b"--x--\r\n"


async def read(pieces: list[bytes]) -> tuple[list[FormField | FormFile], bytes]:
    """The fields and files of a form, and all bytes of its files."""
    items: list[FormField | FormFile] = []
    data = b""
    async for item in _items(pieces):
        if isinstance(item, bytes):
            data += item
        else:
            items.append(item)
    return items, data


async def _items(pieces: list[bytes]) -> AsyncIterator[FormField | FormFile | bytes]:
    async for item in form_items(request_of(pieces)):
        yield item


BODY = form(
    ('name="purpose"', b"fine-tune"),
    ('name="file"; filename="a b.zip"', b"\r\n--\r\n-x and --x--\r\n\r\n-"),
    ('name="expires_after[seconds]"', b"3600"),
)
PARSED = (
    [
        FormField("purpose", "fine-tune"),
        FormFile("file", "a b.zip"),
        FormField("expires_after[seconds]", "3600"),
    ],
    b"\r\n--\r\n-x and --x--\r\n\r\n-",
)


@given(cuts=st.lists(st.integers(0, len(BODY)), max_size=8))
async def test_it_does_not_matter_how_a_form_is_cut(cuts: list[int]) -> None:
    places = [0, *sorted(cuts), len(BODY)]
    pieces = [BODY[a:b] for a, b in pairwise(places)]
    assert await read(pieces) == PARSED


@pytest.mark.parametrize("length", [1, 40, len(BODY) - 10])
async def test_a_form_that_ends_too_soon_is_none(length: int) -> None:
    with pytest.raises(HTTPException):
        await read([BODY[:length]])


async def test_fields_that_are_too_large_are_refused() -> None:
    with pytest.raises(ContentTooLarge):
        await read([form(('name="purpose"', b"x" * 2_000_000))])


async def test_what_is_no_part_of_a_form_is_refused() -> None:
    for body in (form(('filename="a"', b"")), BODY.replace(b"form-data", b"attachment")):
        with pytest.raises(InvalidRequest):
            await read([body])
