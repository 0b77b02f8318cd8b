"""What commands print."""

import subprocess
import sys

import httpx
import pytest
import typer
from typer.testing import CliRunner

import orfeon
from orfeon.cli.app import app
from orfeon.cli.chat import deltas
from orfeon.cli.output import one_sentence, printable, size


def answer(*lines: str) -> httpx.Response:
    return httpx.Response(200, text="".join(f"{line}\n\n" for line in lines))


def test_control_characters_do_not_reach_the_terminal() -> None:
    assert printable("a\x1b[31mb\x07\tc\nd\x9b") == "a[31mb\tc\nd"


@pytest.mark.parametrize(
    ("count", "text"),
    [(0, "0 B"), (999, "999 B"), (1500, "1.5 kB"), (98_362_432, "98 MB"), (10**13, "10 TB")],
)
def test_sizes_are_for_people(count: int, text: str) -> None:
    assert size(count) == text


def test_the_pieces_of_a_stream_are_found_between_pings_and_usage() -> None:
    stream = answer(
        ": ping",
        'data: {"choices": [{"delta": {"role": "assistant", "content": ""}}]}',
        'data: {"choices": [{"delta": {"content": "Hel"}}]}',
        'data: {"choices": [{"delta": {"content": "lo"}}]}',
        'data: {"choices": [], "usage": {}}',
        "data: [DONE]",
        "data: not looked at",
    )
    assert list(deltas(stream)) == ["Hel", "lo"]


@pytest.mark.parametrize(
    ("line", "sentence"),
    [
        ('data: {"error": {"message": "The service died."}}', "The service died."),
        ("data: nonsense", "not one of Orfeón's"),
        ("data: []", "not one of Orfeón's"),
        (": the connection closed here", "broke off"),
    ],
)
def test_a_stream_that_goes_wrong_is_an_error(line: str, sentence: str) -> None:
    with pytest.raises(orfeon.OrfeonError, match=sentence):
        list(deltas(answer(line)))


@pytest.mark.parametrize(
    ("failure", "sentence"),
    [
        (orfeon.OrfeonError("No\x1b."), "No."),
        (
            orfeon.InternalServerError("Bad.", status=500, request_id="req_1"),
            "Bad. (request req_1)",
        ),
        (orfeon.NotFoundError("Gone.", status=404, request_id="req_1"), "Gone."),
        (FileNotFoundError(2, "No such file or directory", "a.wav"), "a.wav: No such file"),
        (KeyError("x"), "This is a fault of Orfeón's, please report it: KeyError: 'x'"),
    ],
)
def test_every_failure_is_one_sentence(failure: Exception, sentence: str) -> None:
    failing = typer.Typer()

    @failing.command()
    @one_sentence
    def fail() -> None:
        raise failure

    result = CliRunner().invoke(failing, [])
    assert result.exit_code == 1
    assert result.stderr.startswith(f"orfeon: {sentence}")
    assert result.stdout == ""


def test_the_version_is_the_packages() -> None:
    assert CliRunner().invoke(app, ["--version"]).stdout == f"{orfeon.__version__}\n"


def test_the_commands_of_a_client_need_nothing_of_a_server() -> None:
    heavy = "{'grpc_health', 'sqlalchemy', 'pydantic_settings', 'fastapi', 'numpy'}"
    code = f"import sys, orfeon.cli.app; assert not {heavy} & set(sys.modules)"
    subprocess.run([sys.executable, "-c", code], check=True)


@pytest.mark.parametrize(
    "command",
    ["serve", "chat", "transcribe", "speak", "classify", "models", "ps", "queue", "usage"],
)
def test_every_command_explains_itself(command: str) -> None:
    assert CliRunner().invoke(app, [command, "--help"]).exit_code == 0


def test_a_capability_that_is_none_is_refused() -> None:
    result = CliRunner().invoke(app, ["serve", "--port", "0", "--capabilities", "chat,juggling"])

    assert result.exit_code == 1
    assert "There is no capability 'juggling'" in result.stderr
