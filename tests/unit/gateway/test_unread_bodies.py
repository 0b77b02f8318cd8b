import pytest
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException

from gateway.errors import error_behind


@pytest.mark.parametrize(
    ("detail", "status", "told"),
    [
        ("There was an error parsing the body", 400, "JSON in UTF-8"),
        ("Missing boundary in multipart.", 400, "boundary"),
        ("Too many files. Maximum number of files is 1.", 400, "files is 1."),
        ("Part exceeded maximum size of 1024KB.", 413, "too large"),
    ],
)
def test_a_body_that_cannot_be_read_says_what_to_send(detail: str, status: int, told: str) -> None:
    error = error_behind(HTTPException(400, detail))
    assert error.http_status == status
    assert told in error.message


def test_a_text_too_long_is_counted_in_characters() -> None:
    fault = {
        "type": "too_long",
        "loc": ("body", "input"),
        "input": "a" * 5000,
        "ctx": {"max_length": 4096},
        "msg": "irrelevant",
    }
    error = error_behind(RequestValidationError([fault]))
    assert error.message == "input must have at most 4096 characters."
