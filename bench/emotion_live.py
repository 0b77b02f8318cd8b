"""A live stream against the truth: `python -m bench.emotion_live RAVDESS [ACTOR]`.

Clips of one actor follow one another as they are, another emotion every ten seconds, and are played
in real time into the WebSocket of `orfeon serve`. Prints how long after somebody began to speak in
another way this was told, and draws `docs/emotion/timeline.png`. The shipped head has learned from
these voices: this measures how soon it tells, not how well.
"""

import asyncio
import sys
import tempfile
import time
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib import pyplot as plt

from bench.processes import serving
from gateway.keystore import KeyStore
from orfeon import AsyncOrfeon, EmotionHeard
from services.runtime.audio import AudioLimits, decode

RATE = 16_000
BLOCK = RATE // 10
SECONDS = 10.0
CODES = {
    "neutral": "01", "angry": "05", "sad": "04", "happy": "03", "fearful": "06", "disgust": "07",
}  # fmt: skip
PICTURE = Path(__file__).resolve().parents[1] / "docs" / "emotion" / "timeline.png"


@dataclass(frozen=True)
class Stretch:
    """Ten seconds of one emotion. `begins` is when somebody speaks in it first, seconds."""

    label: str
    begins: float
    end: float


@dataclass(frozen=True)
class Told:
    """An event: when it came and what it said, seconds since the stream began."""

    came: float
    label: str
    score: float


def conversation(folder: Path, actor: int) -> tuple[np.ndarray, list[Stretch]]:
    """The samples, 16 kHz mono, and what is heard in them."""
    parts: list[np.ndarray] = []
    truth, at = [], 0.0
    for label, code in CODES.items():
        stretch = np.concatenate(
            [
                sound(path)
                for path in sorted((folder / f"Actor_{actor:02}").glob(f"03-01-{code}-*"))[:3]
            ]
        )[: round(SECONDS * RATE)]
        parts.append(stretch)
        truth.append(Stretch(label, at + first_loud(stretch), at + stretch.size / RATE))
        at += stretch.size / RATE
    return np.concatenate(parts), truth


def sound(path: Path) -> np.ndarray:
    """A clip."""
    with path.open("rb") as file:
        return decode(file, RATE, AudioLimits(max_seconds=60))


def first_loud(samples: np.ndarray) -> float:
    """When the voice comes within 25 dB of its loudest, seconds."""
    frames = samples[: samples.size // 160 * 160].reshape(-1, 160)
    level = np.sqrt(np.mean(frames**2, axis=1))
    return float(np.argmax(level > level.max() * 10 ** (-25 / 20))) / 100


async def played(url: str, key: str, samples: np.ndarray) -> list[Told]:
    """Plays samples in real time and gathers what is told."""
    data = (samples * 32767).astype("<i2").tobytes()
    began = time.perf_counter()

    async def microphone() -> AsyncIterator[bytes]:
        for number, start in enumerate(range(0, len(data), 2 * BLOCK)):
            # A block is there once it has been spoken.
            await asyncio.sleep(max(0.0, began + (number + 1) * 0.1 - time.perf_counter()))
            yield data[start : start + 2 * BLOCK]

    told = []
    async with AsyncOrfeon(url, key) as gateway, gateway.listen(sample_rate=RATE) as stream:
        feeding = asyncio.create_task(stream.feed(microphone()))
        async for event in stream:
            if isinstance(event, EmotionHeard):
                best = event.segment.labels[0]
                told.append(Told(time.perf_counter() - began, best.label, best.score))
        await feeding
    return told


def delays(truth: list[Stretch], told: list[Told]) -> list[float]:
    """How long after each change the new emotion was told first; infinite where it never was."""
    return [
        min(
            (
                each.came - stretch.begins
                for each in told
                if each.label == stretch.label and stretch.begins <= each.came < stretch.end + 2
            ),
            default=float("inf"),
        )
        for stretch in truth
    ]


def draw(truth: list[Stretch], told: list[Told], found: list[float], actor: int) -> None:
    """Draws what was said and when it was told."""
    labels = list(CODES)
    figure, axes = plt.subplots(figsize=(11, 3.6), layout="constrained")
    for stretch in truth:
        place = labels.index(stretch.label)
        axes.barh(place, stretch.end - stretch.begins, left=stretch.begins, color="#d5e3f0")
    points: Any = axes.scatter(
        [each.came for each in told],
        [labels.index(each.label) for each in told],
        c=[each.score for each in told], s=16, cmap="viridis", vmin=0, vmax=1, zorder=3,
    )  # fmt: skip
    for stretch, delay in zip(truth, found, strict=True):
        text = f"{delay:.1f} s" if delay < SECONDS else "never"
        axes.annotate(text, (stretch.begins, labels.index(stretch.label) + 0.45), fontsize=8)
    figure.colorbar(points, label="probability")
    axes.set_yticks(range(len(labels)), labels)
    axes.set(xlabel="s", ylim=(-0.7, len(labels) - 0.2))
    axes.set_title(
        f"Actor {actor} of RAVDESS in real time: bars are what was acted, points what was told when"
    )
    PICTURE.parent.mkdir(exist_ok=True)
    figure.savefig(PICTURE, dpi=80)
    plt.close(figure)


def main() -> None:
    """See the module."""
    folder, actor = Path(sys.argv[1]), int(sys.argv[2]) if len(sys.argv) > 2 else 16
    samples, truth = conversation(folder, actor)
    with tempfile.TemporaryDirectory(prefix="orf") as name:
        home = Path(name) / "home"
        home.mkdir()
        _, key = KeyStore(f"sqlite:///{home / 'orfeon.db'}").create("b", requests_per_minute=10**6)
        with serving(home, "--capabilities", "emotion") as served:
            told = asyncio.run(played(served.url, key, samples))
    found = delays(truth, told)
    for stretch, delay in zip(truth, found, strict=True):
        print(f"{stretch.label:8} from {stretch.begins:5.1f} s: told after {delay:.2f} s")
    draw(truth, told, found, actor)


if __name__ == "__main__":
    main()
