"""The whole way of a model: files and jobs by OpenAI's client, the real trainer, a model that is
asked for what it has learnt.
"""

import asyncio
import io
import json
import re
import sys
import zipfile
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from openai import AsyncOpenAI

from services.emotion.__main__ import EMOTION
from services.emotion.settings import EmotionSettings
from tests.fakes import trainings
from tests.fakes.container import running as serving
from tests.fakes.gateway import running, settings_for
from tests.tiny_classifiers import tiny_classifier
from tests.tones import PITCHES, recorded_tones, tone, write_wav

CLASSIFICATIONS = "/audio/classifications"
ENDED = {"succeeded", "failed", "cancelled"}
HYPER = {"n_epochs": 6, "batch_size": 4, "learning_rate_multiplier": 100.0}


def archive(folder: Path) -> bytes:
    """The recordings below a folder, and one that cannot be read."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as packed:
        for path in sorted(folder.rglob("*.wav")):
            packed.write(path, Path("tones") / path.relative_to(folder))
        packed.writestr("tones/low/speaker1/broken.wav", b"RIFF and nothing more")
    return buffer.getvalue()


@asynccontextmanager
async def installation(home: Path) -> AsyncIterator[str]:
    """A gateway before the training and the emotion service, in one home; yields its address."""
    upstreams: Any = {
        "training": f"unix:{home}/training.sock",
        "emotion": f"unix:{home}/emotion.sock",
    }
    emotion = EmotionSettings(
        ORFEON_HOME=home, address=upstreams["emotion"], preload=False, drain_seconds=0
    )
    settings = settings_for(home).model_copy(update={"upstreams": upstreams})
    async with (
        serving(EMOTION, emotion, load=False),
        trainings.staged(home, trainer=[], trainer_threads=1),
        running(settings, None) as url,
    ):
        yield url


async def ended(client: AsyncOpenAI, job: str) -> Any:
    async with asyncio.timeout(400):
        while True:
            found = await client.fine_tuning.jobs.retrieve(job)
            if found.status in ENDED:
                return found
            await asyncio.sleep(0.2)


@pytest.fixture
def home(tmp_path: Path) -> Path:
    """An installation whose owner allows a tiny random network to be fine-tuned."""
    tiny_classifier(tmp_path / "training" / "bases" / "tiny", labels=("yes", "no"))
    return tmp_path


async def test_a_network_is_fine_tuned_watched_and_asked(home: Path) -> None:
    examples = archive(recorded_tones(home / "tones"))
    async with (
        installation(home) as url,
        AsyncOpenAI(base_url=f"{url}/v1", api_key="x", max_retries=0) as client,
    ):
        file = await client.files.create(file=("tones.zip", examples), purpose="fine-tune")
        asked: Any = {
            "model": "tiny",
            "training_file": file.id,
            "suffix": "pitch",
            "seed": 7,
            "method": {"type": "supervised", "supervised": {"hyperparameters": HYPER}},
            "extra_body": {"classifier": {"classifies": "pitch", "speech": False}},
        }
        first = await client.fine_tuning.jobs.create(**asked)
        second = await client.fine_tuning.jobs.create(**asked)
        assert (await client.fine_tuning.jobs.cancel(second.id)).status == "cancelled"
        done = await ended(client, first.id)
        events = [e async for e in client.fine_tuning.jobs.list_events(first.id, limit=100)]
        assert done.status == "succeeded", (done.error, [e.message for e in events])
        messages = [event.message for event in events]
        assert any("broken.wav cannot be read" in message for message in messages)
        assert not any(str(home) in message for message in messages)
        told: list[Any] = [event.data for event in events]
        losses = [figures["train_loss"] for figures in told if "train_loss" in figures]
        assert len(losses) >= 5
        checkpoints = (await client.fine_tuning.jobs.checkpoints.list(first.id)).data
        assert checkpoints[0].step_number > checkpoints[-1].step_number > 0
        names = {(await client.files.retrieve(each)).filename: each for each in done.result_files}
        metrics = await client.files.content(names[f"{done.fine_tuned_model}-metrics.json"])
        assert json.loads(metrics.content)["accuracy"] > 0.5

        models = {model.id for model in (await client.models.list()).data}
        assert done.fine_tuned_model in models
        right = 0
        for at, (label, pitch) in enumerate(PITCHES.items()):
            clip = write_wav(home / "clip.wav", tone(pitch, 0.8, 1000 + at)).read_bytes()
            answer = await client.post(
                CLASSIFICATIONS,
                cast_to=object,
                body={"model": done.fine_tuned_model},
                files={"file": ("clip.wav", clip)},
                options={"headers": {"content-type": "multipart/form-data"}},
            )
            found: Any = answer
            assert {each["label"] for each in found["labels"]} == set(PITCHES)
            right += found["labels"][0]["label"] == label
        assert right >= 2


async def test_the_example_of_the_documentation_trains_a_head(home: Path) -> None:
    """On the embedded encoder, as it stands."""
    page = (Path(__file__).parents[2] / "docs" / "fine-tuning.md").read_text("utf-8")
    (example,) = re.findall(r"```python\n(.*?)```", page, re.S)
    (home / "voices.zip").write_bytes(archive(recorded_tones(home / "tones", clips=24)))
    async with installation(home) as url:
        code = example.replace("http://localhost:8000", url)
        # A class for which nobody has to speak.
        code = code.replace('"classifies": "mood"', '"classifies": "sound"')
        done = await asyncio.create_subprocess_exec(
            sys.executable, "-c", code, cwd=home, stdout=asyncio.subprocess.PIPE
        )
        printed, _ = await asyncio.wait_for(done.communicate(), 400)
        *events, last = printed.decode().splitlines()
        assert re.fullmatch(r"succeeded ft-whisper-tiny-call-centre-[0-9a-f]{8} None", last), (
            printed
        )
        assert any("recordings. The job waits" in event for event in events)
        async with AsyncOpenAI(base_url=f"{url}/v1", api_key="x") as client:
            assert last.split()[1] in {model.id for model in (await client.models.list()).data}


async def test_data_that_does_not_do_fails_with_the_trainers_sentence(home: Path) -> None:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as packed:
        for number in range(4):
            clip = write_wav(home / "clip.wav", tone(200, 0.5, number)).read_bytes()
            packed.writestr(f"tones/low/speaker{number}/{number}.wav", clip)
    async with (
        installation(home) as url,
        AsyncOpenAI(base_url=f"{url}/v1", api_key="x", max_retries=0) as client,
    ):
        file = await client.files.create(file=("low.zip", buffer.getvalue()), purpose="fine-tune")
        job = await client.fine_tuning.jobs.create(model="tiny", training_file=file.id)
        failed = await ended(client, job.id)
        assert failed.status == "failed"
        assert failed.error is not None
        assert failed.error.code == "invalid_training_file"
        assert "Every clip is labelled 'low'" in failed.error.message
