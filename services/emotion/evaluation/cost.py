"""What an answer takes: time and memory, measured in a process that does nothing else.

`measure` starts that process, `python -m services.emotion.evaluation.cost MODEL`, which gets clips
on stdin, one path a line.
"""

import json
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np

from services.emotion.corpora.decoding import samples_of
from services.emotion.engine import SAMPLE_RATE, Clip
from services.emotion.evaluation.errors import EvaluationError
from services.emotion.evaluation.subject import manifest_of, registry_of, served
from services.emotion.settings import EmotionSettings
from services.runtime.environment import settings_of
from services.runtime.worker import Cancellation

#: Answers before the clock starts: the first ones allocate.
_WARM_UP = 5


@dataclass(frozen=True)
class Cost:
    """Milliseconds for each second of audio, one clip at a time and decoding left out.

    `peak_bytes` is the most memory that the process ever took, interpreter and libraries included.
    """

    clips: int
    median_ms: float
    p95_ms: float
    p99_ms: float
    load_seconds: float
    peak_bytes: int


def measure(model: str, clips: Sequence[Path]) -> Cost:
    """By a process of its own. Raises `EvaluationError` where that fails."""
    done = subprocess.run(
        [sys.executable, "-m", __name__, model],
        input="\n".join(str(path.absolute()) for path in clips),
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        last = done.stderr.strip().rpartition("\n")[2]
        raise EvaluationError(f"What {model} takes could not be measured: {last}")
    return Cost(**json.loads(done.stdout))


def _peak_bytes() -> int:
    """As proc(5) says. What getrusage(2) says begins with the peak of whoever started us."""
    [line] = [
        line for line in Path("/proc/self/status").read_text().splitlines() if "VmHWM" in line
    ]
    return int(line.split()[1]) * 1024


def main() -> None:
    """See the module."""
    settings = settings_of(EmotionSettings)
    registry = registry_of(settings)
    manifest = manifest_of(sys.argv[1], registry)
    clips = [Clip(samples_of(Path(line))) for line in sys.stdin.read().splitlines()]
    began = time.perf_counter()
    with served(manifest, registry, settings) as model:
        loaded = time.perf_counter() - began
        for clip in clips[:_WARM_UP]:
            model.classify(clip, Cancellation())
        taken = []
        for clip in clips:
            began = time.perf_counter()
            model.classify(clip, Cancellation())
            taken.append((time.perf_counter() - began) * 1000 / (clip.samples.size / SAMPLE_RATE))
    median, p95, p99 = np.quantile(taken, [0.5, 0.95, 0.99])
    cost = Cost(len(clips), float(median), float(p95), float(p99), loaded, _peak_bytes())
    sys.stdout.write(json.dumps(asdict(cost)))


if __name__ == "__main__":
    main()
