"""What `orfeon serve` starts, with which settings."""

import json
from pathlib import Path

import pytest

from orfeon.capabilities import known_capabilities, model_folders
from orfeon.fault import Fault
from orfeon.serve.plan import Choices, children, socket_fits
from services.arbiter.settings import ArbiterSettings
from services.runtime.threads import PATIENT

HOME = Path("/home/somebody/.orfeon")
RUN = Path("/run/o")


def environments(choices: Choices, **given: str) -> dict[str, dict[str, str]]:
    return {plan.name: dict(plan.environment) for plan in children(choices, RUN, 8, given)}


def test_every_folder_of_services_that_can_be_run_is_a_capability() -> None:
    assert {"chat", "emotion", "lyrics", "melody", "speech"} <= set(known_capabilities())
    assert not {"runtime", "arbiter"} & set(known_capabilities())
    assert all(folder.is_dir() for folder in model_folders(("chat",)))


def test_services_and_gateway_meet_at_the_same_sockets() -> None:
    made = environments(Choices(HOME, ("chat", "speech")))

    assert list(made) == ["arbiter", "chat", "speech", "gateway"]
    assert made["chat"]["ORFEON_CHAT_ADDRESS"] == "unix:/run/o/chat.sock"
    assert made["gateway"]["ORFEON_GATEWAY_UPSTREAMS__CHAT"] == "unix:/run/o/chat.sock"
    assert made["gateway"]["ORFEON_GATEWAY_UPSTREAMS__SPEECH"] == "unix:/run/o/speech.sock"
    assert "ORFEON_GATEWAY_UPSTREAMS__EMOTION" not in made["gateway"]


def test_the_song_service_is_told_where_those_are_that_it_calls() -> None:
    made = environments(Choices(HOME, ("chat", "lyrics", "melody", "song")))

    told = {name: value for name, value in made["song"].items() if "UPSTREAMS" in name}
    assert told == {
        "ORFEON_SONG_UPSTREAMS__LYRICS": "unix:/run/o/lyrics.sock",
        "ORFEON_SONG_UPSTREAMS__MELODY": "unix:/run/o/melody.sock",
    }
    assert not [name for name in made["lyrics"] if "UPSTREAMS" in name]


def test_the_cores_are_divided_and_threads_wait_as_those_of_the_services() -> None:
    # Not among those who only call others, or keep jobs.
    made = environments(Choices(HOME, ("chat", "speech", "emotion", "song", "training")))

    for environment in made.values():
        assert PATIENT.items() <= environment.items()
        assert environment["OMP_NUM_THREADS"] == "2"
        assert environment["ORFEON_HOME"] == str(HOME)
    assert made["speech"]["ORFEON_SPEECH_THREADS"] == "2"
    assert environments(Choices(HOME, ("chat",), threads=5))["chat"]["ORFEON_CHAT_THREADS"] == "5"


def test_services_meet_the_arbiter_at_its_socket_and_the_gateway_does_not() -> None:
    made = environments(Choices(HOME, ("chat", "speech")))

    assert made["arbiter"]["ORFEON_ARBITER_ADDRESS"] == "unix:/run/o/arbiter.sock"
    assert made["arbiter"]["ORFEON_ARBITER_STATE"] == "/run/o"
    assert made["arbiter"]["ORFEON_ARBITER_SETTLE_SECONDS"] == "0"
    assert made["chat"]["ORFEON_ARBITER"] == "unix:/run/o/arbiter.sock"
    assert made["speech"]["ORFEON_ARBITER"] == "unix:/run/o/arbiter.sock"
    assert "ORFEON_ARBITER" not in made["gateway"]


def test_memory_is_what_the_arbiter_may_give_and_measured_where_it_is_not_chosen() -> None:
    made = environments(Choices(HOME, ("chat",), memory=600_000_000))
    assert json.loads(made["arbiter"]["ORFEON_ARBITER_BUDGETS"]) == {"cpu": 600_000_000}

    assert "ORFEON_ARBITER_BUDGETS" not in environments(Choices(HOME, ("chat",)))["arbiter"]


def test_the_arbiter_is_told_what_it_can_be_told(monkeypatch: pytest.MonkeyPatch) -> None:
    choices = Choices(HOME, ("chat",), memory=5, metrics_base_port=9100)
    for name, value in environments(choices)["arbiter"].items():
        monkeypatch.setenv(name, value)
    settings = ArbiterSettings()

    assert settings.address == "unix:/run/o/arbiter.sock"
    assert settings.budgets == {"cpu": 5}
    assert settings.state == RUN
    assert settings.metrics_port == 9101


def test_metrics_have_a_port_each_or_none() -> None:
    made = environments(Choices(HOME, ("chat", "speech"), metrics_base_port=9100))
    assert made["chat"]["ORFEON_CHAT_METRICS_PORT"] == "9100"
    assert made["speech"]["ORFEON_SPEECH_METRICS_PORT"] == "9101"
    assert made["arbiter"]["ORFEON_ARBITER_METRICS_PORT"] == "9102"

    made = environments(Choices(HOME, ("chat", "speech")))
    assert made["speech"]["ORFEON_SPEECH_METRICS_PORT"] == "0"


def test_a_chosen_engine_is_passed_on_and_an_unchosen_one_is_not() -> None:
    made = environments(Choices(HOME, ("chat",), engine="fake"))
    assert made["chat"]["ORFEON_CHAT_ENGINE"] == "fake"

    assert "ORFEON_CHAT_ENGINE" not in environments(Choices(HOME, ("chat",)))["chat"]


def test_children_keep_the_environment_and_find_the_package() -> None:
    made = environments(Choices(HOME, ("chat",)), HF_TOKEN="t", PYTHONPATH="/mine")

    assert made["chat"]["HF_TOKEN"] == "t"
    assert made["chat"]["PYTHONPATH"].endswith(":/mine")


def test_the_web_app_is_told_where_the_gateway_is_and_stops_with_it() -> None:
    choices = Choices(HOME, ("chat",), host="0.0.0.0", studio_port=7860, metrics_base_port=9100)
    made = environments(choices)

    assert list(made) == ["arbiter", "chat", "gateway", "studio"]
    assert made["studio"]["ORFEON_STUDIO_GATEWAY_URL"] == "http://127.0.0.1:8000"
    assert made["studio"]["ORFEON_STUDIO_HOST"] == "0.0.0.0"
    assert made["studio"]["ORFEON_STUDIO_PORT"] == "7860"
    assert made["studio"]["ORFEON_STUDIO_METRICS_PORT"] == "9103"
    assert choices.studio == "http://127.0.0.1:7860"
    turns = {plan.name: plan.stop for plan in children(choices, RUN, 8, {})}
    assert turns["studio"] == turns["gateway"] < turns["chat"]


def test_there_is_no_web_app_without_a_port() -> None:
    choices = Choices(HOME, ("chat",))

    assert "studio" not in environments(choices)
    assert choices.studio == ""


@pytest.mark.parametrize(
    ("host", "url"),
    [
        ("127.0.0.1", "http://127.0.0.1:8000"),
        ("0.0.0.0", "http://127.0.0.1:8000"),
        ("::", "http://[::1]:8000"),
        ("example.org", "http://example.org:8000"),
    ],
)
def test_the_gateways_url_is_one_that_this_machine_can_call(host: str, url: str) -> None:
    assert Choices(HOME, ("chat",), host=host).url == url


def test_a_folder_too_deep_for_sockets_is_known() -> None:
    assert socket_fits(Path("/tmp/orfeon-12345678"), ("chat", "emotion"))
    assert not socket_fits(Path("/" + "x" * 100), ("chat",))
    assert not socket_fits(Path("/" + "ü" * 50), ("chat",))
    assert not socket_fits(Path("/" + "x" * 95), ("chat",))  # too deep for the arbiter's


@pytest.fixture
def triton(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A repository, where the server is installed."""
    monkeypatch.setattr("orfeon.serve.triton._wheel", lambda: (RUN, RUN / "wheel", RUN / "stub"))
    return tmp_path


def test_services_whose_models_may_be_on_triton_are_told_of_it(triton: Path) -> None:
    choices = Choices(HOME, ("chat", "emotion", "speech"), triton=triton, metrics_base_port=9100)
    made = environments(choices)

    assert list(made) == ["arbiter", "triton", "chat", "emotion", "speech", "gateway"]
    emotion = {key: value for key, value in made["emotion"].items() if key.startswith("ORFEON_EMO")}
    assert emotion["ORFEON_EMOTION_ENGINE"] == "triton"
    assert emotion["ORFEON_EMOTION_TRITON_URL"] == "unix:/run/o/triton.sock:1"
    assert emotion["ORFEON_EMOTION_TRITON_DEVICE"] == "cpu"
    assert "ORFEON_CHAT_ENGINE" not in made["chat"]
    assert made["triton"]["ORFEON_HOME"] == str(HOME)
    assert made["triton"]["ORFEON_EMOTION_THREADS"] == made["emotion"]["ORFEON_EMOTION_THREADS"]


def test_triton_listens_on_a_socket_is_bounded_and_ends_last(triton: Path) -> None:
    plans = children(Choices(HOME, ("emotion",), triton=triton, metrics_base_port=9100), RUN, 8, {})
    by_name = {plan.name: plan for plan in plans}
    command = by_name["triton"].command

    assert f"--model-repository={triton}" in command
    assert {"--grpc-address=unix:/run/o/triton.sock", "--grpc-port=1"} <= set(command)
    assert {"--allow-http=false", "--metrics-address=127.0.0.1", "--metrics-port=9102"} <= set(
        command
    )
    assert {"--model-control-mode=explicit", "--disable-auto-complete-config"} <= set(command)
    assert {"--exit-on-error=true", "--rate-limit=execution_count"} <= set(command)
    assert "--exit-timeout-secs=5" in command
    order = sorted(by_name, key=lambda name: by_name[name].stop)
    assert (order[0], order[-1]) == ("gateway", "triton")


def test_without_metrics_triton_serves_none(triton: Path) -> None:
    plans = children(Choices(HOME, ("emotion",), triton=triton), RUN, 8, {})
    [command] = [plan.command for plan in plans if plan.name == "triton"]
    assert "--allow-metrics=false" in command


def test_a_repository_that_is_not_there_is_refused(triton: Path) -> None:
    with pytest.raises(Fault, match="--triton-repository"):
        environments(Choices(HOME, ("emotion",), triton=triton / "none"))


def test_a_server_that_is_not_installed_is_refused_with_what_installs_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("orfeon.serve.triton._OLD_NUMPY", tmp_path / "none")
    with pytest.raises(Fault, match=r"make run TRITON=1.*pip install"):
        environments(Choices(HOME, ("emotion",), triton=tmp_path))
