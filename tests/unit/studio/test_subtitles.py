import pytest

from gateway import transcripts
from services.studio.subtitles import Said, clock, plain, srt, vtt

SAID = [
    Said(0.0, 1.5, " Hello & <welcome>.\n\n 1 --> 2"),
    Said(1.5, 2.0, ""),
    Said(61.001, 3723.4567, "¿Qué tal?", "happy", 0.9),
    Said(-0.1, 0.0005, " end "),
]
#: Every hundredth, as Whisper tells times, and what falls between thousandths.
TIMES = [n / 100 for n in range(0, 720_000, 37)] + [n / 3000 for n in range(0, 90_000, 7)]


def test_files_are_those_that_the_gateway_writes() -> None:
    assert plain(SAID) == transcripts.plain(SAID) + "\n"
    assert srt(SAID) == transcripts.srt(SAID)
    assert vtt(SAID) == transcripts.vtt(SAID)
    assert srt([]) == transcripts.srt([])
    assert vtt([]) == transcripts.vtt([])


def test_times_that_came_as_json_make_the_same_files() -> None:
    exact = [Said(at, at + 1, "x") for at in TIMES]
    told = [Said(round(at, 3), round(at + 1, 3), "x") for at in TIMES]
    assert srt(told) == transcripts.srt(exact)


@pytest.mark.parametrize(
    ("seconds", "read"),
    [(-1, "0:00"), (0, "0:00"), (65.9, "1:05"), (3599.9, "59:59"), (3723, "1:02:03")],
)
def test_times_are_read_as_people_read_them(seconds: float, read: str) -> None:
    assert clock(seconds) == read
