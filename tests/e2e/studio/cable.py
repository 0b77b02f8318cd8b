"""A network that can be cut between a browser and the web app."""

import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress


class Cable:
    """Passes on what comes to a port of its own; once it is cut, nothing and nobody."""

    def __init__(self, port: int) -> None:
        self._target = port
        self._listener = socket.create_server(("127.0.0.1", 0))
        self._ends: list[socket.socket] = []
        self._lock = threading.Lock()
        self._is_cut = False
        self.port: int = self._listener.getsockname()[1]
        threading.Thread(target=self._accept, daemon=True).start()

    def cut(self) -> None:
        """Breaks every connection, and refuses new ones."""
        with suppress(OSError):
            # Else the thread that accepts would hold it open.
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        with self._lock:
            self._is_cut = True
            for end in self._ends:
                with suppress(OSError):
                    end.shutdown(socket.SHUT_RDWR)
                end.close()

    def _accept(self) -> None:
        with suppress(OSError):
            while True:
                near, _ = self._listener.accept()
                with self._lock:
                    self._ends.append(near)
                    if self._is_cut:
                        near.close()
                        return
                    # Near enough to be there at once, or not at all.
                    far = socket.create_connection(("127.0.0.1", self._target))
                    self._ends.append(far)
                for source, sink in ((near, far), (far, near)):
                    threading.Thread(target=_pass_on, args=(source, sink), daemon=True).start()


def _pass_on(source: socket.socket, sink: socket.socket) -> None:
    with suppress(OSError):
        while data := source.recv(65536):
            sink.sendall(data)
        sink.shutdown(socket.SHUT_WR)


@contextmanager
def laid(port: int) -> Iterator[Cable]:
    """A cable to a port of this machine, cut at the end at the latest."""
    cable = Cable(port)
    try:
        yield cable
    finally:
        cable.cut()
