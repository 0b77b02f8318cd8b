"""What the web app can be told of a provider, and what it refuses."""

import certifi
import pytest
from pydantic import ValidationError

from services.studio.settings import StudioSettings, is_private

PROVIDER = {"oidc_issuer": "https://login.example.org", "oidc_client_id": "studio"}


def test_authorities_of_ones_own_come_with_a_provider(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ORFEON_STUDIO_OIDC_CA_FILE", certifi.where())
    assert StudioSettings.model_validate(PROVIDER).oidc_ca_file == certifi.where()
    with pytest.raises(ValidationError, match="oidc_ca_file needs oidc_issuer"):
        StudioSettings()


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"oidc_client_id": ""}, "needs oidc_client_id"),
        ({"oidc_issuer": "http://login.example.org"}, "https://"),
        ({"oidc_ca_file": "/none/ca.crt"}, "cannot be read: No such file"),
    ],
)
def test_what_cannot_be_trusted_is_refused_at_the_start(
    settings: dict[str, str], said: str
) -> None:
    with pytest.raises(ValidationError, match=said):
        StudioSettings.model_validate(PROVIDER | settings)


@pytest.mark.parametrize(
    ("address", "private"),
    [
        ("https://login.example.org/out", True),
        ("http://127.0.0.1:8080/out", True),
        ("http://localhost/out", True),
        ("http://[::1]/out", True),
        ("http://login.example.org/out", False),
        ("http://localhost.example.org/out", False),
        ("javascript:alert(1)", False),
        ("javascript://localhost/%0aalert(1)", False),
        ("//login.example.org/out", False),
        ("https:/out", False),
        ("/out", False),
        ("", False),
    ],
)
def test_nobody_else_reads_what_is_sent_by_tls_or_stays_on_this_machine(
    address: str, private: bool
) -> None:
    assert is_private(address) is private
