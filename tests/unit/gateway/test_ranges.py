"""Which part of a file is asked for, and what is sent of it."""

from collections.abc import AsyncGenerator

import pytest

from gateway.ranges import asked_range, cut


@pytest.mark.parametrize(
    ("header", "part"),
    [
        ("bytes=0-", range(10)),
        ("bytes=2-4", range(2, 5)),
        (" bytes=9-9 ", range(9, 10)),
        ("bytes=5-500", range(5, 10)),
        ("bytes=-3", range(7, 10)),
        ("bytes=-30", range(10)),
    ],
)
def test_a_part_is_inside_of_the_file(header: str, part: range) -> None:
    assert asked_range(header, 10) == part


@pytest.mark.parametrize(
    "header",
    [
        None,
        "",
        "bytes",
        "bytes=-",
        "bytes=-0",
        "bytes=10-",
        "bytes=4-2",
        "bytes=0-1,3-4",
        "lines=0-1",
        "bytes=a-b",
        "bytes=" + "9" * 5000 + "-",
    ],
)
def test_what_is_no_part_of_the_file_gives_all_of_it(header: str | None) -> None:
    assert asked_range(header, 10) is None


def test_an_empty_file_has_no_parts() -> None:
    assert asked_range("bytes=0-", 0) is None


@pytest.mark.parametrize("part", [range(10), range(3), range(2, 7), range(4, 5), range(9, 10)])
async def test_a_part_is_cut_out_of_pieces_and_no_more_is_read(part: range) -> None:
    data, read = bytes(range(10)), 0

    async def pieces() -> AsyncGenerator[bytes, None]:
        nonlocal read
        for at in range(0, 10, 4):
            read += 1
            yield data[at : at + 4]

    sent = [piece async for piece in cut(pieces(), part)]
    assert b"".join(sent) == data[part.start : part.stop]
    assert all(sent)
    assert read == -(-part.stop // 4)
