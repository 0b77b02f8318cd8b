"""A private authority, as companies have them, and a certificate that it signed."""

import ssl
import subprocess
from dataclasses import dataclass
from pathlib import Path

_NEW = (
    "openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1",
    "-nodes", "-days", "1",
)  # fmt: skip


@dataclass(frozen=True)
class Authority:
    """Its own certificate, and that of a server at 127.0.0.1 with its key; all files in PEM."""

    file: Path
    chain: Path
    key: Path

    def trusted(self) -> ssl.SSLContext:
        """Of a client that trusts nobody else."""
        return ssl.create_default_context(cafile=str(self.file))


def authority_in(folder: Path) -> Authority:
    """A new one, whose files lie in a new folder."""
    folder.mkdir()
    made = Authority(folder / "ca.crt", folder / "tls.crt", folder / "tls.key")
    own = str(folder / "ca.key")
    _openssl(
        "-subj", "/CN=Authority", "-addext", "keyUsage=critical,keyCertSign",
        "-keyout", own, "-out", str(made.file),
    )  # fmt: skip
    _openssl(
        "-CA", str(made.file), "-CAkey", own, "-subj", "/CN=127.0.0.1",
        "-addext", "subjectAltName=IP:127.0.0.1", "-addext", "basicConstraints=critical,CA:FALSE",
        "-keyout", str(made.key), "-out", str(made.chain),
    )  # fmt: skip
    return made


def _openssl(*options: str) -> None:
    subprocess.run([*_NEW, *options], check=True, capture_output=True)
