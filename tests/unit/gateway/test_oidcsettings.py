import json
from typing import Any

import certifi
import pytest
from pydantic import ValidationError

from gateway.settings import GatewaySettings
from services.runtime import environment
from tests.fakes.provider import settings_of


def test_no_token_is_taken_unless_a_provider_is_named() -> None:
    assert GatewaySettings().oidc_issuer == ""


def test_the_environment_names_the_provider(monkeypatch: pytest.MonkeyPatch) -> None:
    variables = {
        "ISSUER": "https://login.example.org",
        "AUDIENCE": "orfeon",
        "ALGORITHMS": '["ES256"]',
        "SCOPES": json.dumps({"staff": ["chat"]}),
        "DEFAULT_SCOPES": '["models"]',
        "REQUESTS_PER_MINUTE": "30",
    }
    for name, value in variables.items():
        monkeypatch.setenv(f"ORFEON_GATEWAY_OIDC_{name}", value)
    settings = GatewaySettings()
    assert settings.oidc_issuer == "https://login.example.org"
    assert settings.oidc_algorithms == ["ES256"]
    assert settings.oidc_scopes == {"staff": ["chat"]}
    assert settings.oidc_default_scopes == ["models"]
    assert settings.oidc_requests_per_minute == 30


@pytest.mark.parametrize("algorithm", ["none", "HS256", "HS512", "RSA-OAEP", ""])
def test_no_algorithm_of_shared_secrets_can_be_allowed(algorithm: str) -> None:
    with pytest.raises(ValidationError):
        settings_of(algorithms=["RS256", algorithm])


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"audience": ""}, "needs oidc_audience"),
        ({"issuer": ""}, "need oidc_issuer"),
        ({"issuer": "http://login.example.org"}, "https://"),
        ({"issuer": "login.example.org"}, "https://"),
        ({"issuer": "https://"}, "https://"),
        ({"issuer": "https://[oops"}, "https://"),
        ({"issuer": "http://localhost.example.org"}, "https://"),
        ({"issuer": "https://login.example.org?a=b"}, "query"),
        ({"jwks_url": "http://login.example.org/keys"}, "https://"),
        ({"jwks_url": "file:///keys.json"}, "https://"),
        ({"algorithms": []}, "at least 1"),
        ({"default_scopes": ["chatting"]}, "unknown scope 'chatting'"),
        ({"scopes": {"staff": ["chat", "root"]}}, "unknown scope 'root'"),
        ({"refresh_seconds": 60, "stale_seconds": 30}, "oidc_stale_seconds"),
        ({"priority_floor": 3}, "less than or equal to 2"),
        ({"leeway_seconds": 3_600}, "less than or equal to 300"),
    ],
)
def test_what_cannot_be_trusted_is_refused_at_the_start(
    settings: dict[str, Any], said: str
) -> None:
    with pytest.raises(ValidationError, match=said):
        settings_of(**settings)


@pytest.mark.parametrize(
    "settings",
    [
        {"issuer": "http://127.0.0.1:8080"},
        {"issuer": "http://localhost:8080/realms/music"},
        {"issuer": "http://[::1]:8080"},
        {"issuer": "http://dex.auth.svc:5556", "allow_http": True},
        {"jwks_url": "http://127.0.0.1/keys"},
    ],
)
def test_without_tls_a_provider_is_on_this_machine_or_allowed(settings: dict[str, Any]) -> None:
    assert settings_of(**settings)


def test_a_provider_means_nothing_where_everybody_may_do_everything() -> None:
    with pytest.raises(ValidationError) as caught:
        GatewaySettings(
            require_keys=False, oidc_issuer="https://login.example.org", oidc_audience="orfeon"
        )
    assert "means nothing" in str(caught.value)


def test_authorities_of_ones_own_come_with_a_provider() -> None:
    assert settings_of(ca_file=certifi.where()).oidc_ca_file == certifi.where()
    with pytest.raises(ValidationError, match="and oidc_ca_file need oidc_issuer"):
        GatewaySettings(oidc_ca_file=certifi.where())


def test_a_file_of_authorities_that_is_missing_is_told_in_a_sentence(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("ORFEON_GATEWAY_OIDC_CA_FILE", "/none/ca.crt")
    with pytest.raises(SystemExit) as ended:
        environment.settings_of(GatewaySettings)
    assert ended.value.code == (
        "ORFEON_GATEWAY_OIDC_CA_FILE: the file cannot be read: No such file or directory."
    )
