"""Certificates of authorities that are trusted beside the public ones."""

import ssl
from typing import Annotated

from pydantic import AfterValidator


def _usable(path: str) -> str:
    if not path:
        return path
    trusted = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    try:
        trusted.load_verify_locations(path)
    except ssl.SSLError:
        raise ValueError("the file holds no certificate in PEM, or one that is broken") from None
    except OSError as error:
        raise ValueError(f"the file cannot be read: {error.strerror}") from None
    if not trusted.cert_store_stats()["x509"]:
        raise ValueError("the file holds no certificate")
    return path


#: A setting that names a file with such certificates, in PEM; empty names none.
AuthoritiesFile = Annotated[str, AfterValidator(_usable)]


def trusting(file: str) -> ssl.SSLContext:
    """TLS with whoever the public authorities vouch for, or those of the setting above.

    It reads all of their certificates: once is enough for a process.
    """
    # Who names no provider needs none of it.
    import httpx

    tls = httpx.create_ssl_context()
    if file:
        tls.load_verify_locations(file)
    return tls
