"""Files with certificates of authorities: which are taken, and what is said of others."""

import datetime
from pathlib import Path

import certifi
import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding
from pydantic import TypeAdapter, ValidationError

from services.runtime.authorities import AuthoritiesFile

taken = TypeAdapter(AuthoritiesFile).validate_python
FIRST = Path(certifi.where()).read_text("utf-8").partition("-----END")[0]


@pytest.mark.parametrize("path", ["", certifi.where()])
def test_a_file_of_authorities_or_none_is_taken(path: str) -> None:
    assert taken(path) == path


@pytest.mark.parametrize("text", ["", "ca.crt", f"{FIRST[:200]}\n-----END CERTIFICATE-----\n"])
def test_a_file_without_a_whole_certificate_is_refused(tmp_path: Path, text: str) -> None:
    file = tmp_path / "ca.crt"
    file.write_text(text, "utf-8")
    with pytest.raises(ValidationError, match="no certificate in PEM, or one that is broken"):
        taken(str(file))


def test_a_list_of_what_is_revoked_is_no_authority(tmp_path: Path) -> None:
    file, now = tmp_path / "ca.crl", datetime.datetime(2026, 1, 1)
    revoked = (
        x509.CertificateRevocationListBuilder()
        .issuer_name(x509.Name([]))
        .last_update(now)
        .next_update(now + datetime.timedelta(days=1))
        .sign(Ed25519PrivateKey.generate(), None)
    )
    file.write_bytes(revoked.public_bytes(Encoding.PEM))
    with pytest.raises(ValidationError, match="the file holds no certificate"):
        taken(str(file))


@pytest.mark.parametrize(("name", "said"), [("none", "No such file"), (".", "Is a directory")])
def test_a_file_that_cannot_be_read_is_refused(tmp_path: Path, name: str, said: str) -> None:
    with pytest.raises(ValidationError, match=f"cannot be read: {said}"):
        taken(str(tmp_path / name))
