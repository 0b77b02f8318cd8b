from pathlib import Path

import pytest
from pydantic import ValidationError

from gateway.settings import GatewaySettings


@pytest.fixture(autouse=True)
def _clean(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("ORFEON_HOME", "DATABASE_URL", "ORFEON_GATEWAY_DATABASE_URL"):
        monkeypatch.delenv(name, raising=False)


def test_upstreams_come_by_capability(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ORFEON_GATEWAY_UPSTREAMS__CHAT", "unix:/chat.sock")
    monkeypatch.setenv("ORFEON_GATEWAY_UPSTREAMS__SPEECH", "speech:50051")
    monkeypatch.setenv("ORFEON_GATEWAY_UPSTREAMS__EMOTION", "")
    assert GatewaySettings().upstreams == {"chat": "unix:/chat.sock", "speech": "speech:50051"}


def test_a_capability_that_is_none_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ORFEON_GATEWAY_UPSTREAMS__CHATS", "chat:50051")
    with pytest.raises(ValidationError):
        GatewaySettings()


def test_the_database_is_in_home_unless_said_otherwise(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    assert GatewaySettings().database_url == f"sqlite:///{Path.home()}/.orfeon/orfeon.db"
    monkeypatch.setenv("ORFEON_HOME", str(tmp_path))
    assert GatewaySettings().database_url == f"sqlite:///{tmp_path}/orfeon.db"
    monkeypatch.setenv("DATABASE_URL", "postgresql://db/orfeon")
    assert GatewaySettings().database_url == "postgresql://db/orfeon"
    monkeypatch.setenv("ORFEON_GATEWAY_DATABASE_URL", "postgresql://own/orfeon")
    assert GatewaySettings().database_url == "postgresql://own/orfeon"


def test_settings_do_not_change(tmp_path: Path) -> None:
    with pytest.raises(ValidationError):
        GatewaySettings(home=tmp_path).port = 1  # type: ignore[misc]


@pytest.mark.parametrize(
    "url", ["", "memory", "valkey://x", "redis://:hidden@host:port", "mysql://x", "redis:host"]
)
def test_a_storage_of_rates_that_is_none_is_refused(url: str) -> None:
    with pytest.raises(ValidationError, match="rate_limit_storage") as caught:
        GatewaySettings(rate_limit_storage=url)
    assert "hidden" not in str(caught.value)


@pytest.mark.parametrize(
    "url", ["memory://", "redis://:hidden@host:6379/0", "redis+sentinel://a:1,b:2/main"]
)
def test_a_storage_of_rates_is_taken_as_it_is(url: str) -> None:
    assert GatewaySettings(rate_limit_storage=url).rate_limit_storage == url
