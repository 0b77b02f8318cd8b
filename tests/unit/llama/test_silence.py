import os
import subprocess
import sys
import threading

import pytest

from services.runtime.llama.silence import silence

LOGGING = """
import logging, os
from services.runtime.llama.silence import silence
from services.runtime.telemetry import configure_logging

configure_logging("info")
with silence():
    os.write(2, b"marmalade")
    logging.getLogger("chat").info("served \\udc80")
os.write(2, b"the end")
"""


def test_what_is_printed_meanwhile_is_lost_and_no_line_of_the_log() -> None:
    done = subprocess.run([sys.executable, "-c", LOGGING], capture_output=True, check=True)
    line, end = done.stderr.splitlines()
    assert rb'"message": "served \udc80"' in line
    assert end == b"the end"


def test_standard_error_is_back_whatever_happens_and_however_many_ask(
    capfd: pytest.CaptureFixture[str],
) -> None:
    def ask() -> None:
        for _ in range(50):
            with silence():
                os.write(2, b"marmalade")

    threads = [threading.Thread(target=ask) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    with pytest.raises(ValueError, match="wrong"), silence():
        raise ValueError("wrong")
    os.write(2, b"the end")
    assert capfd.readouterr().err == "the end"
