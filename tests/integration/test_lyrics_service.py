"""The lyrics container over real gRPC, with lines that need no model."""

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import grpc
import pytest
import yaml

from orfeon.api.lyrics.v1 import lyrics_pb2 as pb
from orfeon.api.lyrics.v1 import lyrics_pb2_grpc
from services.lyrics.__main__ import LYRICS
from services.lyrics.settings import LyricsSettings
from services.runtime.errors import (
    ContextLengthExceeded,
    InvalidRequest,
    ModelLoadFailed,
    ModelNotFound,
    OrfeonError,
)
from services.runtime.status import error_of
from tests.fakes.container import running

#: Those the service comes with, as it tells them.
GENRES = "ballad, couplets, pop, rap, rock, sonnet"


def settings(tmp_path: Path) -> LyricsSettings:
    return LyricsSettings(
        ORFEON_HOME=tmp_path / "home", address=f"unix:{tmp_path / 's'}", engine="fake"
    )


@pytest.fixture
async def channel(tmp_path: Path) -> AsyncIterator[grpc.aio.Channel]:
    async with running(LYRICS, settings(tmp_path)) as channel:
        yield channel


async def sung(channel: grpc.aio.Channel, **wish: Any) -> list[pb.WriteLyricsResponse]:
    stub = lyrics_pb2_grpc.LyricsServiceStub(channel)
    return [piece async for piece in stub.WriteLyrics(pb.WriteLyricsRequest(**wish))]


async def refusal(channel: grpc.aio.Channel, **wish: Any) -> OrfeonError:
    with pytest.raises(grpc.aio.AioRpcError) as failed:
        await sung(channel, **wish)
    return error_of(failed.value)


async def test_a_song_begins_with_what_it_is_and_ends_with_what_it_took(
    channel: grpc.aio.Channel,
) -> None:
    started, *lines, finished = await sung(channel)
    assert started.started.genre == "pop"
    assert started.started.model == "smollm2-135m-lyrics"
    assert started.started.language == "en"
    kinds = [pb.SectionKind.Name(one.line.kind).rpartition("_")[2] for one in lines[::4]]
    assert kinds == ["VERSE", "CHORUS", "VERSE", "CHORUS", "BRIDGE", "CHORUS"]
    assert [one.line.section for one in lines] == [at for at in range(6) for _ in range(4)]
    assert finished.finished.completion_tokens > 0


async def test_without_a_seed_it_is_another_song_and_with_its_seed_the_same(
    channel: grpc.aio.Channel,
) -> None:
    first, other = await sung(channel), await sung(channel)
    assert first[1:5] != other[1:5]
    assert first[1:-1] == (await sung(channel, seed=first[0].started.seed))[1:-1]


async def test_the_first_line_is_given_back_as_it_is(channel: grpc.aio.Channel) -> None:
    line = " <script>alert('¡Olé!')</script> \u2764"
    song = await sung(channel, genre="rap", first_line=line, sections=[pb.SECTION_KIND_VERSE])
    assert song[1].line.text == line


@pytest.mark.parametrize(
    ("wish", "kind", "param", "says"),
    [
        ({"genre": "polka"}, ModelNotFound, "genre", "there are: " + GENRES),
        ({"genre": "smollm2-135m-lyrics"}, ModelNotFound, "genre", "there are: " + GENRES),
        ({"genre": "x" * 5000}, ModelNotFound, "genre", "there are"),
        ({"first_line": "a" * 10_000}, InvalidRequest, "first_line", "shorten"),
        ({"sections": [2] * 16, "lines": 16}, ContextLengthExceeded, "lines", "at most"),
    ],
)
async def test_what_cannot_be_is_refused_by_name(
    channel: grpc.aio.Channel,
    wish: dict[str, Any],
    kind: type[OrfeonError],
    param: str,
    says: str,
) -> None:
    error = await refusal(channel, **wish)
    assert type(error) is kind
    assert error.param == param
    assert says in error.message
    assert len(error.message) < 400


async def test_a_genre_is_a_folder(tmp_path: Path) -> None:
    common = {
        "capability": "lyrics", "base": "smollm2-135m-lyrics", "tasks": ["lyrics"],
        "owned_by": "me", "licence": "MIT",
    }  # fmt: skip
    genres = {
        "blues": {"prompt": "You sing the blues.", "lines": 3, "sections": ["verse"]},
        "broken": {"prompt": "", "lines": 3},
    }
    for name, options in genres.items():
        folder = tmp_path / "home" / "models" / name
        folder.mkdir(parents=True)
        manifest = common | {"name": name, "options": options}
        (folder / "model.yaml").write_text(yaml.safe_dump(manifest), "utf-8")
    async with running(LYRICS, settings(tmp_path)) as channel:
        assert len(await sung(channel, genre="blues")) == 1 + 3 + 1
        error = await refusal(channel, genre="broken")
    assert isinstance(error, ModelLoadFailed)
    assert "options.prompt" in error.message
