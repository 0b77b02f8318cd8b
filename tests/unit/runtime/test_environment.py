"""Settings from the environment, and what is said of those that cannot be meant."""

from typing import Annotated, Self

import pytest
from pydantic import Field, model_validator
from pydantic_settings import BaseSettings, SettingsConfigDict

from services.runtime.environment import settings_of


class Shop(BaseSettings):
    model_config = SettingsConfigDict(env_prefix="SHOP_")

    port: int = 1
    ware: dict[str, int] = {}
    secret: Annotated[str, Field(max_length=4)] = ""
    home: Annotated[int, Field(validation_alias="ALL_HOME")] = 0


def test_they_are_read(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SHOP_PORT", "8")
    monkeypatch.setenv("SHOP_WARE", '{"tea": 3}')
    found = settings_of(Shop)
    assert (found.port, found.ware) == (8, {"tea": 3})


def test_each_that_is_wrong_is_named_without_what_it_holds(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    held = {"SHOP_PORT": "abc", "SHOP_WARE": '{"tea": "x"}', "SHOP_SECRET": "hush!", "ALL_HOME": ""}
    for name, value in held.items():
        monkeypatch.setenv(name, value)
    with pytest.raises(SystemExit) as ended:
        settings_of(Shop)
    told = str(ended.value.code)
    assert [line.partition(": ")[0] for line in told.splitlines()] == [
        "SHOP_PORT",
        "SHOP_WARE__TEA",
        "SHOP_SECRET",
        "ALL_HOME",
    ]
    assert "hush!" not in told
    assert "abc" not in told


def test_what_should_be_json_and_is_not(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SHOP_WARE", "tea")
    with pytest.raises(SystemExit) as ended:
        settings_of(Shop)
    assert str(ended.value.code).startswith("SHOP_WARE: Input should be valid JSON (")
    assert "tea" not in str(ended.value.code)


class Couple(Shop):
    other: str = ""

    @model_validator(mode="after")
    def _together(self) -> Self:
        raise ValueError("port and other go together")


def test_of_several_that_do_not_fit_there_is_a_sentence_alone() -> None:
    with pytest.raises(SystemExit) as ended:
        settings_of(Couple)
    assert ended.value.code == "port and other go together."
