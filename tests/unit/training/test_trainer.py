"""What the trainer is asked for, and what is heard of it."""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from services.runtime.errors import InvalidRequest, ModelNotFound
from services.training.bases import Base, Bases, model_name
from services.training.folder import JobFolder
from services.training.order import Classifier, Order
from services.training.runner import INTERRUPTED
from services.training.trainer import command, failure_of, listen

ORDER = Order(model="tiny", files=("file-1",), seed=7)
BASE = Base("tiny", "/bases/tiny", "full")
FOLDER = JobFolder(Path("/home"), "ftjob-1", "ft-tiny-1")


def options(order: Order) -> list[str]:
    return command(["train"], order, BASE, "/data", FOLDER)


def test_what_is_not_chosen_is_left_to_the_trainer() -> None:
    asked = options(ORDER)
    assert asked[asked.index("train") :] == [
        "train", "--data=/data", f"--output={FOLDER.output}", f"--work={FOLDER.work}",
        f"--events={FOLDER.events}", "--base=/bases/tiny", "--method=full", "--seed=7",
    ]  # fmt: skip


def test_what_is_chosen_is_said_in_one_line_each() -> None:
    classifier = Classifier(
        labels=("a", "b"), drop=("-c",), merge={"d": "a"}, split="random", augment=False,
        speech=True, classifies="mood",
    )  # fmt: skip
    order = replace(ORDER, epochs=3, batch_size=8, rate=2.0, classifier=classifier)
    assert {
        "--epochs=3", "--batch=8", "--accumulation=1", "--learning-rate=6e-05", "--labels=a,b",
        "--drop=-c", "--merge=d=a", "--split=random", "--no-augment", "--speech",
        "--classifies=mood",
    } <= set(options(order))  # fmt: skip


def test_an_order_is_kept_and_comes_back() -> None:
    order = replace(ORDER, classifier=Classifier(labels=("a",), merge={"b": "a"}), metadata={})
    assert Order.from_json(order.to_json()) == order
    assert replace(order, request_id="x", priority=0).fingerprint == order.fingerprint
    assert replace(order, seed=8).fingerprint != order.fingerprint
    assert (
        replace(order, seed=8, drawn=True).fingerprint
        == replace(order, seed=9, drawn=True).fingerprint
    )


def line(**event: Any) -> bytes:
    return json.dumps({"created_at": 5, "level": "info", **event}).encode() + b"\n"


def test_events_are_heard_once_and_whole(tmp_path: Path) -> None:
    path = tmp_path / "events"
    assert listen(path, 0, []).place == 0
    first = line(type="message", message=f"{tmp_path}/data/a.wav and {tmp_path}/data go.", data={})
    step = {"step": 5, "total_steps": 20, "train_loss": 0.5, "bad": float("nan"), "text": "x"}
    second = line(type="metrics", message="Step 5.", data=step)
    third = line(
        type="checkpoint", message="C", data={"step": 5, "path": "p", "metrics": {"f1": 1}}
    )
    path.write_bytes(first + second + third + b'{"message": "half')
    heard = listen(path, 0, [tmp_path / "data"])
    assert heard.place == len(first + second + third)
    message, metrics, checkpoint = heard.notes
    assert message.message == "a.wav and the training file go."
    assert metrics.metrics == {"step": 5, "total_steps": 20, "train_loss": 0.5}
    assert heard.share == 0.25
    assert (checkpoint.kind, checkpoint.step, checkpoint.metrics) == ("checkpoint", 5, {"f1": 1})
    assert message.created == 5
    assert listen(path, heard.place, []).notes == []


@pytest.mark.parametrize(
    "bad",
    [
        b"no json\n", b"[]\n", b"{}\n", b'{"message": 3}\n', b"\xff\xfe\n", b"\n",
        b"x" * 70_000 + b"\n",
        b'{"message": "ok", "data": [], "level": "shout", "created_at": "x", "type": 3}\n',
        b'{"message": "ok", "type": "metrics", "data": {"step": true, "total_steps": -1}}\n',
        b"[" * 60_000 + b"\n",
    ],
    ids=range(10),
)  # fmt: skip
def test_lines_that_are_no_events_harm_nobody(tmp_path: Path, bad: bytes) -> None:
    path = tmp_path / "events"
    good = line(type="message", message="Good.")
    path.write_bytes(bad + good)
    heard = listen(path, 0, [])
    assert heard.place == len(bad + good)
    assert heard.notes[-1].message == "Good."


def test_options_are_called_as_the_network_calls_them(tmp_path: Path) -> None:
    path = tmp_path / "events"
    path.write_bytes(line(type="message", message="--drop it, or accept --split random."))
    (note,) = listen(path, 0, []).notes
    assert note.message == "classifier.drop it, or accept classifier.split random."


def test_a_line_without_end_is_passed_over(tmp_path: Path) -> None:
    path = tmp_path / "events"
    path.write_bytes(b"x" * (3 * 2**20))
    assert listen(path, 0, []).place == 2**20


def test_why_a_training_failed_is_told_in_a_sentence() -> None:
    assert failure_of(2, "One class.").param == "training_file"
    assert failure_of(1, "No.").message == "No."
    for code in (-9, 137):
        assert failure_of(code, "").code == "out_of_memory"
    for code in (0, 1, 2, 127, -11, INTERRUPTED):
        failure = failure_of(code, "")
        assert failure.code == "training_failed"
        assert failure.message.endswith(".")


def test_bases_are_names_that_are_allowed(tmp_path: Path) -> None:
    for name in ("mine", ".hidden", "no config"):
        (tmp_path / name).mkdir()
    (tmp_path / "mine" / "config.json").touch()
    (tmp_path / ".hidden" / "config.json").touch()
    bases = Bases({"hub": "facebook/wav2vec2-base"}, tmp_path)
    assert bases.names() == ["hub", "mine", "whisper-tiny"]
    assert bases.get("mine", "") == Base("mine", str(tmp_path / "mine"), "full")
    assert bases.get("hub", "full").source == "facebook/wav2vec2-base"
    assert bases.get("whisper-tiny", "").method == "head"
    for name in ("", "..", "mine/../mine", str(tmp_path / "mine"), "facebook/wav2vec2-base"):
        with pytest.raises(ModelNotFound, match="hub, mine, whisper-tiny"):
            bases.get(name, "")
    with pytest.raises(InvalidRequest, match="only a head"):
        bases.get("whisper-tiny", "full")


@pytest.mark.parametrize(
    ("suffix", "name"),
    [
        ("", "ft-tiny-89abcdef"),
        ("call centre", "ft-tiny-call-centre-89abcdef"),
        ("../../x", "ft-tiny-x-89abcdef"),
        ("日本", "ft-tiny-89abcdef"),
        ("-.-", "ft-tiny-89abcdef"),
    ],
)
def test_models_have_names_that_are_folders(suffix: str, name: str) -> None:
    assert model_name("tiny", suffix, "ftjob-0123456789abcdef") == name
