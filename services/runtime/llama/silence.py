"""Keeps what llama.cpp prints of its own accord from standard error."""

import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager

_turn = threading.Lock()


@contextmanager
def silence() -> Iterator[None]:
    """Standard error leads nowhere meanwhile, in all threads; one of them at a time may ask for it.

    Of a grammar that it cannot read llama.cpp prints every word, past the function that hears its
    log; and those may be a user's. Our own log has a descriptor of its own, so no line is lost.
    """
    with _turn, open(os.devnull, "wb") as nowhere:
        kept = os.dup(2)
        os.dup2(nowhere.fileno(), 2)
        try:
            yield
        finally:
            os.dup2(kept, 2)
            os.close(kept)
