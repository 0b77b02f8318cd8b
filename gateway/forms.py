"""Forms whose file goes on to a service as it comes, so that it need not fit into memory."""

from collections.abc import AsyncGenerator
from contextlib import aclosing
from dataclasses import dataclass

from python_multipart.exceptions import FormParserError
from python_multipart.multipart import MultipartParser, parse_options_header
from starlette.exceptions import HTTPException
from starlette.requests import Request

from gateway.memory import FIELD_BYTES, pieces_of
from services.runtime.errors import ContentTooLarge, InvalidRequest

_MAX_PARTS, _MAX_HEADERS = 16, 8192


@dataclass(frozen=True, slots=True)
class FormField:
    """A field of a form that is no file."""

    name: str
    value: str


@dataclass(frozen=True, slots=True)
class FormFile:
    """A file begins; the bytes that come next are its own."""

    name: str
    filename: str


FormItem = FormField | FormFile | bytes


class _Reader:
    """Hears what the parser finds, and gathers it until it is taken."""

    def __init__(self) -> None:
        self.ended = False
        self._found: list[FormItem] = []
        self._parts = 0
        self._headers: list[tuple[bytearray, bytearray]] = []
        self._part: FormField | FormFile | None = None
        self._value = bytearray()

    def take(self) -> list[FormItem]:
        """What was found since."""
        found, self._found = self._found, []
        return found

    def on_part_begin(self) -> None:
        self._parts += 1
        if self._parts > _MAX_PARTS:
            raise InvalidRequest("The form has too many parts; send one file and its fields.")
        self._headers = []
        self._value = bytearray()

    def on_header_begin(self) -> None:
        self._headers.append((bytearray(), bytearray()))

    def on_header_field(self, data: bytes, start: int, end: int) -> None:
        self._headers[-1][0].extend(data[start:end])
        self._bound()

    def on_header_value(self, data: bytes, start: int, end: int) -> None:
        self._headers[-1][1].extend(data[start:end])
        self._bound()

    def on_headers_finished(self) -> None:
        headers = {bytes(name).lower(): bytes(value) for name, value in self._headers}
        kind, options = parse_options_header(headers.get(b"content-disposition", b""))
        if kind != b"form-data" or b"name" not in options:
            raise InvalidRequest("Each part of the form needs a content-disposition with a name.")
        name = options[b"name"].decode("utf-8", "replace")
        if b"filename" in options:
            filename = options[b"filename"].decode("utf-8", "replace")
            self._part = FormFile(name, filename)
            self._found.append(self._part)
        else:
            self._part = FormField(name, "")

    def on_part_data(self, data: bytes, start: int, end: int) -> None:
        if isinstance(self._part, FormFile):
            self._found.append(data[start:end])
            return
        self._value += data[start:end]
        if len(self._value) > FIELD_BYTES:
            raise ContentTooLarge("A field of the form is too large; only files may be.")

    def on_part_end(self) -> None:
        if isinstance(self._part, FormField):
            try:
                value = self._value.decode("utf-8")
            except UnicodeDecodeError:
                raise InvalidRequest(
                    f"{self._part.name} must be text in UTF-8.", param=self._part.name
                ) from None
            self._found.append(FormField(self._part.name, value))

    def on_end(self) -> None:
        self.ended = True

    def _bound(self) -> None:
        if sum(len(name) + len(value) for name, value in self._headers) > _MAX_HEADERS:
            raise InvalidRequest("The headers of a part of the form are too long.")


async def form_items(request: Request) -> AsyncGenerator[FormItem, None]:
    """What is in a request's form, as it comes. Raises `InvalidRequest`, `ContentTooLarge`."""
    _, options = parse_options_header(request.headers.get("content-type", ""))
    reader = _Reader()
    try:
        parser = MultipartParser(
            options.get(b"boundary", b""),
            {
                "on_part_begin": reader.on_part_begin,
                "on_part_data": reader.on_part_data,
                "on_part_end": reader.on_part_end,
                "on_header_begin": reader.on_header_begin,
                "on_header_field": reader.on_header_field,
                "on_header_value": reader.on_header_value,
                "on_headers_finished": reader.on_headers_finished,
                "on_end": reader.on_end,
            },
        )
        async with aclosing(pieces_of(request)) as pieces:
            async for piece in pieces:
                parser.write(piece)
                for item in reader.take():
                    yield item
        parser.finalize()
    except FormParserError as error:
        raise HTTPException(400, "The form cannot be read.") from error
    if not reader.ended:
        raise HTTPException(400, "The form is not complete.")
