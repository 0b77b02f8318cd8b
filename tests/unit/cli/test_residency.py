"""What `orfeon ps`, `orfeon queue` and `orfeon models load` show."""

import io
import json
from collections.abc import Callable

import httpx
import pytest
from rich.console import Console
from rich.progress import Progress
from rich.table import Table

from orfeon import Model, QueueEntry, ServiceUnavailableError, calls, types
from orfeon.cli import ps, queue
from orfeon.cli.loading import describe, load
from orfeon.cli.output import span
from orfeon.transport import Transport

Row = dict[str, object]


def drawn(table: Table) -> list[list[str]]:
    """The words of a table, line by line; columns are two blanks apart."""
    page = io.StringIO()
    Console(file=page, width=200).print(table)
    lines = page.getvalue().splitlines()
    return [[cell.strip() for cell in line.split("  ") if cell.strip()] for line in lines]


def model(**facts: object) -> Model:
    does = {"capability": "chat", **facts}
    return types.model({"id": "m", "created": 1, "owned_by": "me", "capabilities": does})


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(-3, "0 s"), (59, "59 s"), (90, "2 min"), (7200, "2 h"), (864_000, "10 d")],
)
def test_times_are_for_people(seconds: float, text: str) -> None:
    assert span(seconds) == text


def test_ps_shows_where_each_model_is_and_until_when() -> None:
    split = model(
        state="loaded", device="cuda:0", gpu_layers=12, resident_bytes=2_000_000_000,
        loaded_at=880, in_use=2, expires_at=1300,
    )  # fmt: skip
    pinned = model(state="loaded", device="cpu", pinned=True)
    coming = model(state="loading", progress=0.42)
    head, *rows = drawn(ps.shown([split, pinned, coming], now=1000))
    assert head[:3] == ["model", "capability", "state"]
    assert rows == [
        ["m", "chat", "loaded", "cuda:0", "12", "2.0 GB", "2 min ago", "2", "in 5 min"],
        ["m", "chat", "loaded", "cpu", "-", "-", "-", "0", "pinned"],
        ["m", "chat", "loading 42%", "-", "-", "-", "-", "0", "-"],
    ]
    assert drawn(ps.shown([model(gpu_layers=-1)], 0))[1][4] == "all"


ENTRIES = [
    QueueEntry("req_1", "m", "chat", 0, "running", 3.2, 0, 0.0),
    QueueEntry("req_2", "m", "chat", 1, "queued", 1.0, 2, 12.4),
    QueueEntry("req_3", "m", "chat", 2, "queued", 1.0, 3, None),
]


def test_the_queue_shows_who_goes_before_and_how_long_it_will_take() -> None:
    assert drawn(queue.shown(ENTRIES))[1:] == [
        ["req_1", "m", "chat", "0", "running", "3 s", "-", "-"],
        ["req_2", "m", "chat", "1", "queued", "1 s", "2", "12 s"],
        ["req_3", "m", "chat", "2", "queued", "1 s", "3", "-"],
    ]


def test_the_watched_queue_is_drawn_anew_until_ctrl_c() -> None:
    draws = 0
    console = Console(file=io.StringIO(), force_terminal=True, width=100)

    def draw() -> Table:
        nonlocal draws
        draws += 1
        return queue.shown(ENTRIES[:draws])

    def wait() -> None:
        if draws == 2:
            raise KeyboardInterrupt

    queue.watched(draw, console, wait)
    assert draws == 2


def test_into_a_pipe_the_watched_queue_is_one_line_of_json_after_the_other(
    capsys: pytest.CaptureFixture[str],
) -> None:
    queues = [ENTRIES[:1], ENTRIES]

    def wait() -> None:
        if not queues:
            raise KeyboardInterrupt

    queue.repeated(lambda: queue.say(queues.pop(0), as_json=True), wait)
    lines = capsys.readouterr().out.splitlines()
    assert [len(json.loads(line)) for line in lines] == [1, 3]


def gateway(answer: Callable[[httpx.Request], httpx.Response]) -> Transport:
    options = calls.options("http://gateway.test", None, 1.0)
    return Transport(httpx.Client(transport=httpx.MockTransport(answer), **options), 0)


def test_a_load_asks_for_the_pin_only_where_it_is_given() -> None:
    bodies: list[bytes] = []

    def answer(request: httpx.Request) -> httpx.Response:
        assert request.url.path == "/v1/models/org/m/load"
        bodies.append(request.read())
        row: Row = {"id": "org/m", "created": 1, "owned_by": "me", "capabilities": {}}
        return httpx.Response(200, json=row)

    console = Console(file=io.StringIO())
    for pinned in (None, True, False):
        assert load(gateway(answer), "org/m", pinned, console).id == "org/m"
    assert bodies == [b"", b'{"pinned":true}', b'{"pinned":false}']


def test_a_load_that_fails_says_what_the_gateway_says() -> None:
    error = {"message": "It hung.", "type": "x", "param": None, "code": "model_load_failed"}
    answer = httpx.Response(503, json={"error": error})
    with pytest.raises(ServiceUnavailableError, match="It hung"):
        load(gateway(lambda request: answer), "m", None, Console(file=io.StringIO()))


def test_the_bar_of_a_load_is_as_long_as_the_gateway_says() -> None:
    bar = Progress(disable=True)
    task = bar.add_task("m", total=None)
    describe(bar, task, model(state="waiting"))
    assert (bar.tasks[0].description, bar.tasks[0].total) == ("m: waiting", None)
    describe(bar, task, model(state="loading", progress=0.25))
    assert (bar.tasks[0].description, bar.tasks[0].percentage) == ("m: loading", 25)
