"""`helm test`'s program against a running gateway, told what the chart's pod is told."""

import asyncio
from pathlib import Path
from typing import Any

import pytest

from gateway.acceptance import main
from gateway.keystore import KeyStore
from tests.contract.chart import CHART, Object, of_kind
from tests.fakes.gateway import Stage, running, settings_for, stage, staged
from tests.fakes.script import Script
from tests.fakes.upstreams import serving

__all__ = ["stage"]

VOICE = CHART / "files" / "voice.wav"


def told(values: dict[str, Any], url: str, home: Path, **more: str) -> dict[str, str]:
    """The environment of the chart's pod, with places of this machine."""
    pod: Object = of_kind(values, "Pod")["test"]["spec"]
    (container,) = pod["containers"]
    assert container["command"] == ["python", "-m", "gateway.acceptance"]
    found = {each["name"]: each["value"] for each in container["env"] if "value" in each}
    assert found["ORFEON_ACCEPTANCE_URL"].startswith("http://")
    here = {"ORFEON_ACCEPTANCE_URL": url, "ORFEON_HOME": str(home)}
    if "ORFEON_ACCEPTANCE_CLIP" in found:
        here["ORFEON_ACCEPTANCE_CLIP"] = str(VOICE)
    return found | here | more


class Program:
    """`python -m gateway.acceptance`, in a thread of this process."""

    def __init__(
        self, patch: pytest.MonkeyPatch, printed: pytest.CaptureFixture[str], home: Path
    ) -> None:
        self._patch, self._printed, self._home = patch, printed, home

    async def accepts(self, values: dict[str, Any], url: str, **more: str) -> tuple[int, str]:
        """How it ends, and what it says."""
        for name, value in told(values, url, self._home, **more).items():
            self._patch.setenv(name, value)
        try:
            await asyncio.to_thread(main)
        except SystemExit as end:
            return 1, self._printed.readouterr().out + str(end.code)
        return 0, self._printed.readouterr().out


@pytest.fixture
def program(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> Program:
    return Program(monkeypatch, capsys, tmp_path)


async def test_a_voice_is_classified_and_a_chat_answered_with_a_key_for_a_while(
    stage: Stage, program: Program
) -> None:
    status, said = await program.accepts({}, stage.url)
    assert status == 0, said
    ready, voice, chat, last = said.splitlines()
    assert ready.startswith("Ready: chat, emotion, ")
    assert voice.startswith("Voice: ")
    assert chat.startswith("Chat: answered with ")
    assert last == "Accepted."
    made = stage.keys.list()[-1]
    assert made.name == "helm test"
    assert made.scopes == {"chat", "emotion"}
    assert made.revoked is not None
    assert made.expires is not None


async def test_a_key_of_ones_own_makes_none(stage: Stage, program: Program) -> None:
    values = {"gateway": {"persistence": {"enabled": False}}, "helmTest": {"secretName": "a-key"}}
    status, said = await program.accepts(values, stage.url, ORFEON_ACCEPTANCE_KEY=stage.secret)
    assert (status, said.splitlines()[-1]) == (0, "Accepted.")
    assert len(stage.keys.list()) == 1


async def test_where_no_key_can_be_had_it_says_that_nothing_was_asked(
    stage: Stage, program: Program
) -> None:
    values = {"gateway": {"persistence": {"enabled": False}}}
    status, said = await program.accepts(values, stage.url)
    assert status == 0
    assert "Nothing was asked" in said
    assert "helmTest.secretName" in said
    assert "Accepted" not in said


async def test_a_gateway_that_wants_no_keys_is_asked_without_one(
    program: Program, tmp_path: Path
) -> None:
    open_to_all = {"ORFEON_GATEWAY_REQUIRE_KEYS": "false"}
    values = {"gateway": {"persistence": {"enabled": False}, "env": open_to_all}}
    address = f"unix:{tmp_path}/services.sock"
    settings = settings_for(tmp_path, address, require_keys=False)
    async with serving(address, Script()), running(settings, None) as url:
        status, said = await program.accepts(values, url)
    assert (status, said.splitlines()[-1]) == (0, "Accepted.")


async def test_it_asks_only_what_is_on(stage: Stage, program: Program) -> None:
    values = {"capabilities": {"emotion": {"enabled": False}}}
    status, said = await program.accepts(values, stage.url)
    assert (status, "Voice" in said, "Chat" in said) == (0, False, True)


async def test_what_is_not_ready_in_time_is_named(stage: Stage, program: Program) -> None:
    await stage.stop()
    status, said = await program.accepts({}, stage.url, ORFEON_ACCEPTANCE_WAIT_SECONDS="0")
    assert status == 1
    assert "chat is unreachable" in said
    assert stage.keys.list()[-1].name == "test"


async def test_what_is_no_gateway_is_said(program: Program) -> None:
    values = {"helmTest": {"waitSeconds": 1}}
    status, said = await program.accepts(values, "http://127.0.0.1:1")
    assert status == 1
    assert "does not answer as a gateway (ConnectError)" in said


async def test_a_database_that_cannot_be_used_is_said(
    stage: Stage, program: Program, tmp_path: Path
) -> None:
    database = f"sqlite:///{tmp_path}"
    status, said = await program.accepts({}, stage.url, ORFEON_GATEWAY_DATABASE_URL=database)
    assert status == 1
    assert said.splitlines()[-1].startswith("Failed: ")
    assert "Traceback" not in said


async def test_a_refused_key_is_said(stage: Stage, program: Program) -> None:
    status, said = await program.accepts({}, stage.url, ORFEON_ACCEPTANCE_KEY="sk-orf-wrong")
    assert status == 1
    assert said.splitlines()[-1].startswith("Failed: ")


async def test_the_key_is_revoked_where_the_asking_fails(program: Program, tmp_path: Path) -> None:
    async with staged(tmp_path, max_upload_bytes=1000) as stage:
        status, said = await program.accepts({}, stage.url)
    assert (status, "Failed: " in said) == (1, True)
    store = KeyStore(f"sqlite:///{tmp_path}/orfeon.db")
    assert store.list()[-1].revoked is not None
    store.close()
