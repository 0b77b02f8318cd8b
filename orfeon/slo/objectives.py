"""The promises, as constants: who is promised what, and how it is told apart from a failure.

Nothing but the standard library is imported: the gateway and every container take their histogram
buckets from here.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Literal, get_args

#: Upper bounds of every histogram of durations, seconds: from a cached phrase to a long recording.
BUCKETS = (
    0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 120, 300, 600, 1800,
)  # fmt: skip

#: How a request to the gateway ended. `error` is a fault of ours, `shed` is work in the background
#: that a full queue refused, `refused` was at fault itself or over its key's rate, `left` is a
#: client that did not wait.
Outcome = Literal["ok", "error", "shed", "refused", "left"]
OUTCOMES: tuple[Outcome, ...] = get_args(Outcome)

#: What is promised. `availability`: no error; `first_output`: the first token, line or sound of a
#: streamed answer in time; `latency`: the whole answer in time; `queue_wait`: the turn in time;
#: `admission`: background work not shed; `completion`: jobs that succeed.
Indicator = Literal[
    "availability", "first_output", "latency", "queue_wait", "admission", "completion"
]
INDICATORS: tuple[Indicator, ...] = get_args(Indicator)

LEVELS = (0, 1, 2)
#: The level whose work may be shed, and whose trouble wakes nobody.
SHEDDABLE = 2

#: Days over which an error budget is spent.
PERIOD_DAYS = 30

CAPABILITIES = ("chat", "lyrics", "speech", "emotion", "melody", "images", "song", "training")
#: Those with a queue for models; the others keep jobs.
QUEUED = ("chat", "lyrics", "speech", "emotion", "melody", "images")

#: Shares of good events, by level.
AVAILABILITY = (0.999, 0.995, 0.99)
TIMELINESS = (0.95, 0.95, 0.95)
ADMISSION = 0.95
COMPLETION = 0.95

#: Seconds to the first output, by operation of a capability and level.
FIRST_OUTPUT: Mapping[tuple[str, str], tuple[float, float, float]] = {
    ("chat", "chat"): (1, 2.5, 30),
    ("lyrics", "lyrics"): (2.5, 5, 60),
    ("speech", "speech"): (1, 2.5, 30),
    ("melody", "melody"): (5, 10, 120),
}
#: Seconds to the whole answer, likewise.
LATENCY: Mapping[tuple[str, str], tuple[float, float, float]] = {
    ("chat", "embeddings"): (0.5, 1, 30),
    ("speech", "transcription"): (10, 30, 300),
    ("emotion", "classification"): (2.5, 5, 60),
    ("images", "images"): (30, 60, 600),
}
#: Seconds to the turn, by level, of every capability with a queue.
QUEUE_WAIT = (1.0, 10.0, 120.0)


@dataclass(frozen=True, slots=True)
class Objective:
    """One promise: of the events of a capability at a level, the share `ratio` is good.

    `operation` and `seconds`, the most that a good event takes, are empty and 0 where the
    indicator has none.
    """

    indicator: Indicator
    capability: str
    level: int
    ratio: float
    operation: str = ""
    seconds: float = 0.0

    @property
    def name(self) -> str:
        """What it is called everywhere, such as `speech-first_output-0`."""
        operation = "" if self.operation in ("", self.capability) else f"{self.operation}-"
        return f"{self.capability}-{operation}{self.indicator}-{self.level}"


def _timed(
    indicator: Indicator, table: Mapping[tuple[str, str], tuple[float, float, float]]
) -> Iterator[Objective]:
    for (capability, operation), seconds in table.items():
        for level in LEVELS:
            ratio = TIMELINESS[level]
            yield Objective(indicator, capability, level, ratio, operation, seconds[level])


def _all() -> Iterator[Objective]:
    for capability in CAPABILITIES:
        for level in LEVELS:
            yield Objective("availability", capability, level, AVAILABILITY[level])
    yield from _timed("first_output", FIRST_OUTPUT)
    yield from _timed("latency", LATENCY)
    for capability in QUEUED:
        for level in LEVELS:
            yield Objective(
                "queue_wait", capability, level, TIMELINESS[level], seconds=QUEUE_WAIT[level]
            )
    for capability in QUEUED:
        yield Objective("admission", capability, SHEDDABLE, ADMISSION)
    for level in LEVELS:
        yield Objective("completion", "song", level, COMPLETION)


#: All of them.
OBJECTIVES: tuple[Objective, ...] = tuple(_all())


@dataclass(frozen=True, slots=True)
class Burn:
    """When a budget is spent too fast: `factor` times as fast as lasts the period.

    It has to be so over the `long` window, and over the `short` one still.
    """

    factor: float
    short: str
    long: str
    severity: Literal["page", "ticket"]


#: 2 % of the budget in an hour, 5 % in six, 10 % in a day, 10 % in three.
BURNS = (
    Burn(14.4, "5m", "1h", "page"),
    Burn(6, "30m", "6h", "page"),
    Burn(3, "2h", "1d", "ticket"),
    Burn(1, "6h", "3d", "ticket"),
)
#: Bad events in the long window below which nobody is told: a single one of few is no trend.
FEWEST_BAD = 3
