"""`orfeon listen`: what a voice tells while it speaks."""

import json
import sys
import time
import wave
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from io import BufferedReader
from pathlib import Path
from typing import Annotated, BinaryIO, cast

import typer

from orfeon.cli.bars import told
from orfeon.cli.options import (
    DEFAULT_HOME,
    ApiKey,
    AsJson,
    BaseUrl,
    Home,
    ModelName,
    Priority,
    connected,
)
from orfeon.cli.output import write
from orfeon.fault import Fault
from orfeon.live import listening
from orfeon.voices import EmotionHeard, LiveEvent, SessionCreated, SpeechStarted, SpeechStopped

#: Samples are sent so many seconds at a time.
_BLOCK = 0.1


@dataclass(frozen=True)
class Sound:
    """Samples, as they come: signed 16-bit, so many a second of so many channels."""

    rate: int
    channels: int
    read: Callable[[int], bytes]
    """Gives the next samples, of at most so many moments; none at the end."""

    def blocks(self) -> Iterator[bytes]:
        """The samples, a tenth of a second at a time."""
        while block := self.read(round(self.rate * _BLOCK)):
            yield block


def listen(
    file: Annotated[
        Path, typer.Argument(help="A WAV file, played in real time; '-' reads samples from stdin.")
    ] = Path("-"),
    rate: Annotated[
        int, typer.Option("--sample-rate", min=8000, max=96000, help="Of the samples on stdin.")
    ] = 16_000,
    channels: Annotated[int, typer.Option(min=1, max=8, help="Of the samples on stdin.")] = 1,
    fast: Annotated[bool, typer.Option("--fast", help="Do not wait as long as it plays.")] = False,
    model: ModelName = None,
    priority: Priority = None,
    home: Home = DEFAULT_HOME,
    base_url: BaseUrl = None,
    api_key: ApiKey = None,
    as_json: AsJson = False,
) -> None:
    """Tell what a voice tells, while it speaks. Samples on stdin are signed 16-bit, such as those
    of `arecord -f S16_LE -r 16000 -t raw`. With --json, one event a line."""
    with _opened(file, rate, channels) as sound:
        blocks = sound.blocks() if fast or file == Path("-") else paced(sound.blocks())
        with (
            connected(home, base_url, api_key) as gateway,
            listening(
                gateway.client,
                model=model,
                sample_rate=sound.rate,
                channels=sound.channels,
                priority=priority,
            ) as live,
            live.fed(blocks),
        ):
            for event in live:
                write(_json(event) if as_json else line(event))


def line(event: LiveEvent) -> str:
    """An event, for people."""
    match event:
        case SessionCreated():
            return f"{event.model} tells {', '.join(event.labels)}\n"
        case SpeechStarted():
            return f"{event.at:8.1f} s  somebody speaks\n"
        case EmotionHeard():
            return f"{event.segment.end:8.1f} s  {told(event.segment)}\n"
        case SpeechStopped():
            return f"{event.at:8.1f} s  silence; since {event.segment.start:.1f} s: " + (
                f"{told(event.segment)}\n"
            )
        case _:
            return f"{event.duration:8.1f} s  the end; {event.speech_duration:.1f} s of speech\n"


def paced(
    blocks: Iterator[bytes],
    clock: Callable[[], float] = time.monotonic,
    sleep: Callable[[float], None] = time.sleep,
) -> Iterator[bytes]:
    """Blocks of a tenth of a second, each when it would have been heard."""
    began = clock()
    for number, block in enumerate(blocks):
        if (early := began + number * _BLOCK - clock()) > 0:
            sleep(early)
        yield block


@contextmanager
def _opened(file: Path, rate: int, channels: int) -> Iterator[Sound]:
    if file == Path("-"):
        yield Sound(rate, channels, lambda count: _raw(sys.stdin.buffer, 2 * channels * count))
        return
    try:
        with wave.open(str(file), "rb") as opened:
            if opened.getsampwidth() != 2:
                raise Fault(f"{file} must have samples of 16 bits; ffmpeg -c:a pcm_s16le makes it.")
            yield Sound(opened.getframerate(), opened.getnchannels(), opened.readframes)
    except (wave.Error, EOFError) as error:
        raise Fault(
            f"{file} is no WAV file that can be played; ffmpeg -i {file} -c:a pcm_s16le voice.wav "
            "makes one."
        ) from error


def _raw(stdin: BinaryIO, size: int) -> bytes:
    # What is there now: a microphone is heard as it speaks.
    return cast(BufferedReader, stdin).read1(size)


def _json(event: LiveEvent) -> str:
    return json.dumps({"event": type(event).__name__, **asdict(event)}) + "\n"
