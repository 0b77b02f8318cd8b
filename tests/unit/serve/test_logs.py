"""The children's logs."""

from pathlib import Path

from orfeon.serve.logs import LogFile


def test_lines_are_kept_and_echoed_however_they_arrive(tmp_path: Path) -> None:
    heard: list[str] = []
    log = LogFile(tmp_path / "logs" / "chat.log", echo=heard.append)

    for piece in (b"one\ntw", b"o\n\n", b"thr\xffee\n", b"unfinished"):
        log.write(piece)
    log.close()
    assert heard == ["one", "two", "thr\ufffdee"]
    assert log.path.read_bytes() == b"one\ntwo\n\nthr\xffee\nunfinished"


def test_a_full_file_makes_room_and_one_old_one_stays(tmp_path: Path) -> None:
    log = LogFile(tmp_path / "chat.log", limit=10)

    for piece in (b"first\n", b"second\n", b"third\n"):
        log.write(piece)
    log.close()
    assert log.path.read_bytes() == b"third\n"
    assert (tmp_path / "chat.log.1").read_bytes() == b"second\n"


def test_the_last_words_are_a_line_or_a_structured_lines_message(tmp_path: Path) -> None:
    log = LogFile(tmp_path / "chat.log")

    assert log.last_words() == ""
    log.write(b"Traceback\nModuleNotFoundError: no module\n")
    assert log.last_words() == "ModuleNotFoundError: no module"
    log.write(b'{"level": "ERROR", "message": "out of paper"}\n')
    assert log.last_words() == "out of paper"
    log.write(b"x" * 500 + b"\n")
    assert log.last_words() == "x" * 199 + "…"
    log.close()
