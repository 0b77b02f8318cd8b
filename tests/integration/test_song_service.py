"""The song service over real gRPC, with real DBOS and real files, before scripted services."""

import asyncio
import json
import re
from collections.abc import AsyncIterator
from itertools import pairwise
from pathlib import Path
from typing import Any

import grpc
import pytest
from grpc_health.v1 import health_pb2, health_pb2_grpc

from orfeon.api.lyrics.v1 import lyrics_pb2
from orfeon.api.queue.v1 import queue_pb2, queue_pb2_grpc
from orfeon.api.song.v1 import song_pb2 as pb
from services.runtime.audio import AudioLimits, decode
from services.runtime.errors import InvalidAudio, InvalidRequest, NotFound, Overloaded
from services.song import jobs
from tests.fakes.gateway import eventually
from tests.fakes.songs import Stage, staged, wav
from tests.fakes.studio import LINES


@pytest.fixture
async def stage(tmp_path: Path) -> AsyncIterator[Stage]:
    async with staged(tmp_path) as stage:
        yield stage


def seconds_of(path: Path) -> float:
    with path.open("rb") as file:
        return decode(file, 16_000, AudioLimits(600)).size / 16_000


async def test_a_song_from_nothing_but_a_genre(stage: Stage) -> None:
    job = await stage.caller.create(title="Home", artist="Cash", instrumental=False, seed=7)
    assert job.status == pb.JOB_STATUS_QUEUED
    assert job.estimated_seconds > 0
    states = await stage.caller.watch(job.id)
    done = states[-1]
    assert done.status == pb.JOB_STATUS_SUCCEEDED
    assert done.progress == 1
    assert [one.progress for one in states] == sorted(one.progress for one in states)
    assert all(before.step <= after.step for before, after in pairwise(states))
    assert {file.name for file in done.artifacts} == {
        "song.mp3", "instrumental.mp3", "vocals.mp3", "lyrics.txt", "lyrics.json", "lyrics.lrc",
        "melody.mid", "melody.musicxml", "stem-lead.flac", "stem-drums.flac", "cover.png",
    }  # fmt: skip
    assert done.artifacts[0].name == "song.mp3"
    assert (done.song.genre, done.song.seed, done.song.key) == ("rock", 7, "A minor")
    assert done.expires.seconds - done.ended.seconds == 24 * 3600
    for file in done.artifacts:
        assert len(await stage.caller.read(job.id, file.name)) == file.bytes > 0


async def test_the_mix_is_as_long_as_was_asked_for_and_the_times_lie_inside(stage: Stage) -> None:
    job = await stage.caller.create(duration_seconds=11.0)
    done = await stage.caller.ended(job.id)
    path = stage.home / "song.mp3"
    path.write_bytes(await stage.caller.read(job.id, "song.mp3"))
    assert seconds_of(path) == pytest.approx(11.0, abs=0.5)
    lrc = (await stage.caller.read(job.id, "lyrics.lrc")).decode()
    assert all(line in lrc for line in LINES[:1])
    assert done.song.duration_seconds == 11.0


async def test_every_service_is_told_who_asks_and_how_urgently(stage: Stage) -> None:
    job = await stage.caller.create(
        genre="pop", theme="rain", mood="sad", sections=["verse", "chorus"], lines=2,
        instrumental=False, tempo=90, key="D minor", seed=3, first_line="Oh",
    )  # fmt: skip
    await stage.caller.ended(job.id)
    seen = {(one.key_id, one.priority, one.request_id) for one in stage.script.contexts}
    assert seen == {("alice", 2, "req_test")}
    (written,) = stage.script.requests["lyrics"]
    assert written == lyrics_pb2.WriteLyricsRequest(
        genre="pop", theme="rain", mood="sad", lines=2, seed=3, first_line="Oh",
        sections=[lyrics_pb2.SECTION_KIND_VERSE, lyrics_pb2.SECTION_KIND_CHORUS],
    )  # fmt: skip
    (composed,) = stage.script.requests["melody"]
    assert (composed.genre, composed.mood, composed.tempo, composed.key, composed.seed) == (
        "pop", "sad", 90, "D minor", 3,
    )  # fmt: skip
    assert [(section.kind, len(section.lines)) for section in composed.sections] == [
        ("intro", 0), ("verse", 2), ("chorus", 2),
    ]  # fmt: skip
    # The chorus has the lines of the verse here: each is spoken once.
    assert [request.input for request in stage.script.requests["speech"]] == list(LINES)


async def test_a_voice_gives_its_mood_and_is_kept_no_longer_than_that(stage: Stage) -> None:
    stage.script.holding = {"emotion"}
    recording = wav()
    job = await stage.caller.create(recording)
    await stage.script.begun["emotion"].wait()
    (kept,) = stage.voices
    assert kept.read_bytes() == recording
    assert kept.parent.parent.stat().st_mode & 0o077 == 0
    stage.script.released.set()
    done = await stage.caller.ended(job.id)
    assert stage.voices == []
    assert stage.script.voices == [recording]
    assert (done.song.mood, done.song.mood_probability) == ("sad", 0.75)
    assert stage.script.requests["lyrics"][0].mood == "sad"
    assert stage.script.requests["melody"][0].mood == "sad"


async def test_a_mood_that_is_said_goes_before_the_one_that_is_heard(stage: Stage) -> None:
    job = await stage.caller.create(wav(), mood="happy")
    done = await stage.caller.ended(job.id)
    assert (done.song.mood, done.song.mood_probability) == ("happy", 0)
    assert stage.script.requests["melody"][0].mood == "happy"


async def test_given_lyrics_are_sung_as_they_are(stage: Stage) -> None:
    verse = pb.WrittenSection(kind="verse", lines=["Canta conmigo", "Niño, ¿dónde estás?"])
    job = await stage.caller.create(lyrics=[verse], language="es", instrumental=False)
    await stage.caller.ended(job.id)
    assert stage.script.requests["lyrics"] == []
    intro, section = stage.script.requests["melody"][0].sections
    assert (intro.kind, len(intro.lines)) == ("intro", 0)
    assert [line.syllables for line in section.lines] == [5, 6]
    words = json.loads(await stage.caller.read(job.id, "lyrics.json"))
    assert [line["text"] for line in words["lines"]] == list(verse.lines)
    assert (await stage.caller.read(job.id, "lyrics.txt")).decode().startswith("[Verse]\nCanta")


async def test_words_before_the_first_verse_are_the_intro(stage: Stage) -> None:
    intro = pb.WrittenSection(kind="intro", lines=["One, two, three, four"])
    job = await stage.caller.create(lyrics=[intro], instrumental=True)
    await stage.caller.ended(job.id)
    (section,) = stage.script.requests["melody"][0].sections
    assert (section.kind, len(section.lines)) == ("intro", 1)


async def test_a_model_that_writes_no_notes_makes_instrumentals(tmp_path: Path) -> None:
    async with staged(tmp_path) as stage:
        stage.script.notes = False
        job = await stage.caller.create(genre="sonnet", mood="sad", duration_seconds=12.0)
        done = await stage.caller.ended(job.id)
        assert done.status == pb.JOB_STATUS_SUCCEEDED
        assert {file.name for file in done.artifacts} == {
            "song.mp3", "lyrics.txt", "lyrics.json", "lyrics.lrc", "cover.png",
        }  # fmt: skip
        composed = stage.script.requests["melody"][-1]
        assert (composed.genre, composed.mood, list(composed.sections)) == ("sonnet", "sad", [])
        # Nobody knows where the lines would be sung.
        lrc = (await stage.caller.read(job.id, "lyrics.lrc")).decode()
        assert not re.search(r"^\[\d", lrc, re.MULTILINE)


async def test_whoever_watches_hears_something_now_and_then(
    stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(jobs, "_SILENT", 0.2)
    monkeypatch.setattr(jobs, "_LOOK_EVERY", 0.1)
    stage.script.holding = {"lyrics"}
    job = await stage.caller.create()
    await stage.script.begun["lyrics"].wait()
    watched = stage.caller.stub.WatchJob(
        pb.WatchJobRequest(job_id=job.id), metadata=stage.caller.metadata
    )
    # The same again and again: the step does not go on.
    told: list[tuple[int, float]] = []
    async with asyncio.timeout(20):
        while len(told) < 4 or len(set(told[-4:])) > 1:
            job = (await watched.read()).job
            told.append((job.step, job.progress))
    assert told[-1][0] == pb.STEP_LYRICS
    stage.script.released.set()
    while await watched.read() is not grpc.aio.EOF:
        pass


async def test_one_step_again_keeps_the_steps_before_it(stage: Stage) -> None:
    first = await stage.caller.create(seed=1, instrumental=False)
    await stage.caller.ended(first.id)
    second = await stage.caller.again(first.id, pb.STEP_MELODY, seed=2)
    assert second.id != first.id
    assert second.repeated_from == first.id
    done = await stage.caller.ended(second.id)
    assert done.status == pb.JOB_STATUS_SUCCEEDED
    assert len(stage.script.requests["lyrics"]) == 1
    assert [request.seed for request in stage.script.requests["melody"]] == [1, 2]
    read = stage.caller.read
    assert await read(first.id, "melody.mid") == b"melody.mid 1"
    assert await read(second.id, "melody.mid") == b"melody.mid 2"
    assert await read(second.id, "lyrics.txt") == await read(first.id, "lyrics.txt")
    third = await stage.caller.again(second.id, pb.STEP_MIX)
    assert (await stage.caller.ended(third.id)).status == pb.JOB_STATUS_SUCCEEDED
    assert len(stage.script.requests["melody"]) == 2
    assert await read(third.id, "melody.mid") == b"melody.mid 2"
    spoken = len(stage.script.requests["speech"])
    fourth = await stage.caller.again(third.id, pb.STEP_VOCALS)
    assert (await stage.caller.ended(fourth.id)).status == pb.JOB_STATUS_SUCCEEDED
    assert len(stage.script.requests["speech"]) == spoken + 2
    assert len(stage.script.requests["melody"]) == 2


@pytest.mark.parametrize(
    ("step", "config"),
    [
        (pb.STEP_VOCALS, {}),
        (pb.STEP_EMOTION, {}),
        (pb.STEP_UNSPECIFIED, {}),
        (pb.STEP_LYRICS, {"lyrics": [pb.WrittenSection(kind="verse", lines=["Oh my"])]}),
    ],
)
async def test_a_step_that_a_song_does_not_have_cannot_be_made_again(
    stage: Stage, step: Any, config: dict[str, Any]
) -> None:
    job = await stage.caller.create(**config)
    await stage.caller.ended(job.id)
    with pytest.raises(InvalidRequest) as refused:
        await stage.caller.again(job.id, step)
    assert refused.value.param == "step"


async def test_a_song_that_is_not_complete_cannot_be_repeated(stage: Stage) -> None:
    stage.script.holding = {"melody"}
    job = await stage.caller.create()
    with pytest.raises(InvalidRequest):
        await stage.caller.again(job.id, pb.STEP_MIX)


async def test_one_key_names_one_job(stage: Stage) -> None:
    answers = await asyncio.gather(
        *(stage.caller.created(title="One", idempotency_key="k") for _ in range(5))
    )
    assert len({answer.job.id for answer in answers}) == 1
    assert sorted(answer.existed for answer in answers) == [False, True, True, True, True]
    await stage.caller.ended(answers[0].job.id)
    again = await stage.caller.created(title="One", idempotency_key="k")
    assert again.existed
    assert again.job.status == pb.JOB_STATUS_SUCCEEDED
    assert len(stage.script.requests["melody"]) == 1
    with pytest.raises(InvalidRequest) as refused:
        await stage.caller.create(title="Two", idempotency_key="k")
    assert refused.value.param == "idempotency_key"
    other = await stage.other("bob").created(title="One", idempotency_key="k")
    assert not other.existed
    assert other.job.id != answers[0].job.id


async def test_a_voice_that_comes_twice_under_one_key_is_not_kept_again(stage: Stage) -> None:
    first = await stage.caller.create(wav(), idempotency_key="k")
    await stage.caller.ended(first.id)
    second = await stage.caller.created(wav(), idempotency_key="k")
    assert second.existed
    assert stage.voices == []
    with pytest.raises(InvalidRequest):
        await stage.caller.create(wav(2.0), idempotency_key="k")


async def test_a_job_is_there_for_nobody_but_its_owner(stage: Stage) -> None:
    job = await stage.caller.create()
    await stage.caller.ended(job.id)
    bob = stage.other("bob")
    for attempt in (
        bob.get(job.id),
        bob.cancel(job.id),
        bob.watch(job.id),
        bob.read(job.id, "song.mp3"),
        bob.again(job.id, pb.STEP_MIX),
        bob.get("song_nobody"),
        bob.page(after=job.id),
    ):
        with pytest.raises(NotFound):
            await attempt
    assert list((await bob.page()).jobs) == []
    assert list((await stage.other("").page()).jobs) == []
    with pytest.raises(NotFound):
        await stage.caller.read(job.id, "../../songs.db")
    with pytest.raises(NotFound):
        await stage.caller.read(job.id, "music.flac")


async def test_jobs_are_listed_newest_first_page_by_page(stage: Stage) -> None:
    stage.script.holding = {"melody"}
    jobs = [(await stage.caller.create()).id for _ in range(5)]
    page = await stage.caller.page(limit=2)
    assert [job.id for job in page.jobs] == jobs[:2:-1]
    assert page.has_more
    rest = await stage.caller.page(after=page.jobs[-1].id)
    assert [job.id for job in rest.jobs] == jobs[2::-1]
    assert not rest.has_more
    with pytest.raises(InvalidRequest):
        await stage.caller.page(limit=101)


async def test_what_is_urgent_goes_first(tmp_path: Path) -> None:
    async with staged(tmp_path, slots=1) as stage:
        stage.script.holding = {"melody"}
        running = await stage.caller.create(title="running")
        await stage.script.begun["melody"].wait()
        waiting = [await stage.caller.create(title="waiting") for _ in range(2)]
        stage.caller.priority = 0
        urgent = await stage.caller.create(title="urgent")
        places = [(await stage.caller.get(job.id)).queue_position for job in (urgent, *waiting)]
        assert places == [1, 2, 3]
        estimates = [(await stage.caller.get(job.id)).estimated_seconds for job in waiting]
        assert estimates[0] < estimates[1]
        channel = stage.caller.channel
        queue = await queue_pb2_grpc.QueueServiceStub(channel).ListQueue(
            queue_pb2.ListQueueRequest()
        )
        assert [(entry.running, entry.position) for entry in queue.entries] == [
            (True, 0), (False, 0), (False, 1), (False, 2),
        ]  # fmt: skip
        stage.script.released.set()
        for job in (running, urgent, *waiting):
            await stage.caller.ended(job.id)
        titles = [request.title for request in stage.script.requests["lyrics"]]
        assert titles == ["running", "urgent", "waiting", "waiting"]


async def test_a_full_queue_refuses(tmp_path: Path) -> None:
    async with staged(tmp_path, slots=1, max_queued=1) as stage:
        stage.script.holding = {"melody"}
        await stage.caller.create()
        await stage.script.begun["melody"].wait()
        await stage.caller.create()
        with pytest.raises(Overloaded):
            await stage.caller.create()
        assert len(list((tmp_path / "songs").iterdir())) <= 2


async def test_artifacts_expire_and_the_job_with_them(tmp_path: Path) -> None:
    # SQLite's clock has whole seconds: with one of them the job could be gone before it was seen.
    async with staged(tmp_path, keep_seconds=3, sweep_seconds=0.1) as stage:
        job = await stage.caller.create(idempotency_key="k")
        await stage.caller.ended(job.id)

        async def gone() -> bool:
            try:
                await stage.caller.get(job.id)
            except NotFound:
                return True
            return False

        await eventually(gone)
        assert list((tmp_path / "songs").iterdir()) == []
        assert not (await stage.caller.created(idempotency_key="k")).existed


@pytest.mark.parametrize(
    ("config", "param"),
    [
        ({"genre": "polka"}, "genre"),
        ({"genre": "sonnet"}, "genre"),
        ({"genre": "blues"}, "genre"),
        ({"language": "fr"}, "language"),
        ({"duration_seconds": 9.9}, "duration"),
        ({"duration_seconds": float("nan")}, "duration"),
        ({"mood": "hangry"}, "mood"),
        ({"lyrics": [pb.WrittenSection(kind="verse")]}, "lyrics[0].lines"),
    ],
)
async def test_what_could_not_be_made_is_not_accepted(
    stage: Stage, config: dict[str, Any], param: str
) -> None:
    with pytest.raises(InvalidRequest) as refused:
        await stage.caller.create(**config)
    assert refused.value.param == param
    if param == "genre":
        assert refused.value.message.endswith("there are: pop, rock.")
    assert list((await stage.caller.page()).jobs) == []
    assert list((stage.home / "songs").iterdir()) == []


async def test_whoever_leaves_while_asking_leaves_a_whole_job_or_none(stage: Stage) -> None:
    for number in range(12):
        asking = asyncio.create_task(stage.caller.create(wav(), idempotency_key=str(number)))
        await asyncio.sleep(0.01 * number)
        asking.cancel()
        await asyncio.wait([asking])
    for number in range(12):
        job = await stage.caller.create(wav(), idempotency_key=str(number))
        assert (await stage.caller.ended(job.id)).status == pb.JOB_STATUS_SUCCEEDED
    assert len((await stage.caller.page()).jobs) == 12
    assert len(stage.script.voices) == 12


@pytest.mark.parametrize("voice", [b"no sound at all", wav(loudness=0), wav(loudness=20)])
async def test_a_voice_must_be_sound(stage: Stage, voice: bytes) -> None:
    with pytest.raises(InvalidAudio) as refused:
        await stage.caller.create(voice)
    assert refused.value.param == "voice"
    assert stage.voices == []


async def test_without_a_genre_it_is_the_default_one(stage: Stage) -> None:
    assert (await stage.caller.create(genre="")).song.genre == "rock"


async def test_services_that_are_not_there_are_named(tmp_path: Path) -> None:
    address = f"unix:{tmp_path}/studio.sock"
    some = {"lyrics": address, "melody": address}
    async with staged(tmp_path, upstreams=some) as stage:
        for voice, instrumental, param in ((b"", False, "instrumental"), (wav(), True, "voice")):
            with pytest.raises(InvalidRequest) as refused:
                await stage.caller.create(voice, instrumental=instrumental)
            assert refused.value.param == param
        job = await stage.caller.create()
        assert (await stage.caller.ended(job.id)).status == pb.JOB_STATUS_SUCCEEDED


async def test_the_service_is_healthy_and_describes_itself(stage: Stage) -> None:
    health: Any = health_pb2_grpc.HealthStub(stage.caller.channel)
    for name in ("", "liveness", "orfeon.api.song.v1.SongService"):
        answer = await health.Check(health_pb2.HealthCheckRequest(service=name))
        assert answer.status == health_pb2.HealthCheckResponse.SERVING


async def test_a_first_message_without_a_song_is_refused(stage: Stage) -> None:
    async def voice_alone() -> AsyncIterator[pb.CreateSongRequest]:
        yield pb.CreateSongRequest(audio=b"x")

    with pytest.raises(grpc.aio.AioRpcError) as refused:
        await stage.caller.stub.CreateSong(voice_alone(), metadata=stage.caller.metadata)
    assert refused.value.code() is grpc.StatusCode.INVALID_ARGUMENT
