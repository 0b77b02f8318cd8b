"""Training end to end on tiny models: a table, training, GGUF, and llama.cpp that reads it."""

import csv
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import gguf
import numpy as np
import pytest
import torch
import yaml

from services.lyrics.__main__ import LYRICS
from services.lyrics.training import weights
from services.lyrics.training.__main__ import main
from services.lyrics.training.base import Base
from services.lyrics.training.compare import compare
from services.lyrics.training.gguf_files import rewrite_model, write_adapter, write_model
from services.lyrics.training.passages import Passages
from services.lyrics.training.recipe import lora
from services.lyrics.training.served import Served, perplexity
from services.runtime.llama.generation import Finished, Generation
from services.runtime.llama.llama_engine import LlamaEngine
from services.runtime.manifest import read_manifest
from services.runtime.registry import Registry
from tests.placed import on_cpu
from tests.tiny import CHAT, SONG, tiny_model

pytestmark = pytest.mark.filterwarnings("ignore::FutureWarning")

WORDS = ("love", "night", "road", "fire", "rain", "heart", "gold", "dream", "stone", "river")
QUICK = ["--length", "320", "--batch", "2", "--accumulation", "1", "--eval-passages", "4"]


@pytest.fixture(scope="module")
def llama(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tiny_model(tmp_path_factory.mktemp("llama"), "llama", template=CHAT)


@pytest.fixture(scope="module")
def table(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Thirty songs of one genre among others, with commas, quotes and line breaks."""
    path = tmp_path_factory.mktemp("table") / "songs.csv"
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["title", "tag", "artist", "year", "lyrics", "language"])
        for number in range(40):
            words = [WORDS[(number + at * (number // 10 + 1)) % len(WORDS)] for at in range(8)]
            lines = [f'{words[at]} and "{words[at + 1]}", my {words[at + 2]}' for at in range(6)]
            tag = "rock" if number % 4 else "pop"
            writer.writerow(
                [f"Song {number}", tag, "Someone", 1999, "\n".join(["[Chorus: All]", *lines]), "en"]
            )
    return path


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("ORFEON_HOME", str(tmp_path / "home"))
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    return tmp_path / "home"


@pytest.fixture(autouse=True)
def signals() -> Iterator[None]:
    before = signal.getsignal(signal.SIGINT)
    yield
    assert signal.getsignal(signal.SIGINT) is before


def train(*arguments: str | Path) -> int:
    with pytest.raises(SystemExit) as ended:
        main([str(argument) for argument in arguments])
    code = ended.value.code
    return code if isinstance(code, int) else 1


@pytest.mark.parametrize("kind", ["llama", "qwen2", "gpt2"])
def test_llama_cpp_computes_what_transformers_computes(kind: str, tmp_path: Path) -> None:
    base = Base(str(tiny_model(tmp_path / "base", kind)))
    reader, config = weights.reader(base), weights.config(base, 64)
    model = weights.model(base)
    write_model(tmp_path / "model.gguf", weights.arrays(model), config, reader.tokenizer, name="t")
    tuned = weights.trainable(model, lora("", "", "", "")).eval()
    for name, values in tuned.named_parameters():
        if "lora_B" in name:
            torch.nn.init.normal_(values, std=0.5)
    adapter = tmp_path / "adapter.gguf"
    write_adapter(adapter, weights.adapter_arrays(tuned), config, alpha=16, name="t")
    tokens = [*reader.text(SONG).tokens]
    with torch.no_grad():
        adapted = tuned(torch.tensor([tokens])).logits[0].numpy()
        with tuned.disable_adapter():
            plain = tuned(torch.tensor([tokens])).logits[0].numpy()

    # The adapter changes much, and the two programs differ by rounding to float16 alone.
    assert np.abs(adapted - plain).max() > 1
    for path, expected in ((None, plain), (adapter, adapted)):
        with Served(tmp_path / "model.gguf", path, 256) as served:
            assert served.tokens(SONG) == tokens
            assert np.abs(served.logits(tokens) - expected).max() < 0.03


def test_a_model_from_gguf_goes_back_into_gguf(llama: Path, tmp_path: Path) -> None:
    first = Base(str(llama))
    reader = weights.reader(first)
    original = tmp_path / "model.gguf"
    model = weights.model(first)
    config = model.config
    write_model(original, weights.arrays(model), config, reader.tokenizer, name="t")

    base = Base(str(tmp_path), gguf="model.gguf")
    again = weights.model(base)
    rewrite_model(
        tmp_path / "again.gguf", original, weights.arrays(again), weights.config(base, 64), name="t"
    )

    tokens = [*weights.reader(base).text(SONG).tokens]
    assert tokens == [*reader.text(SONG).tokens]
    with Served(original, None, 256) as one, Served(tmp_path / "again.gguf", None, 256) as other:
        assert one.tokens(SONG) == other.tokens(SONG) == tokens
        assert np.abs(one.logits(tokens) - other.logits(tokens)).max() < 0.01


@pytest.mark.parametrize("method", ["full", "lora"])
async def test_a_trained_genre_is_one_that_the_service_loads(
    method: str, llama: Path, table: Path, home: Path
) -> None:
    folder = home / "models" / f"rock-{method}"
    code = train(
        table, "--genre", "Rock", "--method", method, "--base", llama, "--output", folder,
        "--steps", "12", "--eval-every", "6", "--learning-rate", "0.01", *QUICK,
    )  # fmt: skip
    assert code == 0

    registry = Registry(home, [LYRICS.models], LYRICS.name)
    assert registry.broken == []
    manifest = registry.resolve(f"rock-{method}", "lyrics")
    # The prompt is that of the genre as we ship it.
    assert "rock" in manifest.options["prompt"]
    base = registry.usable(registry.weights(manifest))
    model = registry.folder(base) / "model.gguf"
    adapter = base.options.get("adapters", {}).get(manifest.name)
    passages = [Passages(folder / "work", "train")[at] for at in range(10)]
    with Served(model, Path(adapter) if adapter else None, 320) as served:
        trained = perplexity(served, passages)
    with Served(_untrained(llama, home), None, 320) as served:
        assert trained < 0.8 * perplexity(served, passages)
    engine = LlamaEngine(device="cpu", threads=1, context_length=400, places=1)
    with closing(engine.load(base, model.parent, on_cpu(base))) as loaded:
        asked = Generation(loaded.text("Night"), max_tokens=8, adapter=manifest.adapter)
        async with loaded.generate(asked, 1) as pieces:
            said = [piece async for piece in pieces]
    assert isinstance(said[-1], Finished)

    losses = list(csv.DictReader((folder / "loss.csv").read_text().splitlines()))
    assert [row["step"] for row in losses if row["part"] == "held-out"] == ["0", "6", "12"]
    assert (folder / "loss.png").read_bytes().startswith(b"\x89PNG")
    card = (folder / "README.md").read_text()
    assert "27 songs tagged *Rock* trained on, 3 held out" in card
    assert str(home) not in card


def test_an_adapter_is_compared_with_its_base(
    llama: Path, table: Path, home: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    base, folder = home / "models" / "tiny", home / "models" / "mine"
    base.mkdir(parents=True)
    _untrained(llama, base).rename(base / "model.gguf")
    manifest = {
        "name": "tiny", "capability": "lyrics", "engine": "llama-cpp", "tasks": ["text"],
        "owned_by": "us", "licence": "MIT", "memory_bytes": 10_000_000,
        "files": {"model.gguf": {"sources": [{"local": "model.gguf"}]}},
    }  # fmt: skip
    (base / "model.yaml").write_text(yaml.safe_dump(manifest), "utf-8")
    code = train(
        table, "--genre", "rock", "--method", "lora", "--base", "tiny", "--output", folder,
        "--steps", "12", "--eval-every", "6", "--learning-rate", "0.01", *QUICK,
    )  # fmt: skip
    assert code == 0
    # A song as the genre has it would be longer than so small a model reads.
    trained = yaml.safe_load((folder / "model.yaml").read_text("utf-8"))
    trained["options"] |= {"sections": ["verse"], "lines": 2}
    (folder / "model.yaml").write_text(yaml.safe_dump(trained), "utf-8")

    capsys.readouterr()
    compare([folder], table, passages=4, seeds=1)
    rows = [
        [cell.strip() for cell in line.strip("|").split("|")]
        for line in capsys.readouterr().out.splitlines()
    ]
    numbers = {row[0]: row[1:] for row in rows}
    without, adapted = numbers["base, without"], numbers["mine"]
    assert len(without) == len(adapted) == 2
    assert all(float(after) < float(before) for before, after in zip(without, adapted, strict=True))
    assert len(numbers["mine, without"]) == len(numbers["mine, with"]) == 5


def _untrained(llama: Path, home: Path) -> Path:
    base = Base(str(llama))
    path = home / "untrained.gguf"
    model = weights.model(base)
    write_model(path, weights.arrays(model), model.config, weights.reader(base).tokenizer, name="t")
    return path


def test_an_interrupted_training_goes_on_to_the_same_weights(
    llama: Path, table: Path, tmp_path: Path
) -> None:
    same: list[str | Path] = [
        table, "--genre", "rock", "--method", "lora", "--base", llama, "--seed", "5",
        "--steps", "80", "--eval-every", "40", *QUICK,
    ]  # fmt: skip
    assert train(*same, "--output", tmp_path / "whole") == 0

    parted = tmp_path / "parted"
    command = [Path(sys.executable).with_name("orfeon"), "train", "lyrics", *same, "-o", parted]
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True) as process:
        assert process.stderr is not None
        said = next(line for line in process.stderr if line.startswith(("step 0", "orfeon:")))
        assert said.startswith("step 0")
        process.send_signal(signal.SIGINT)
        rest = process.stderr.read()
    assert process.returncode == 130
    assert "Stopped after step" in rest
    assert "Traceback" not in rest
    assert not (parted / "model.yaml").exists()
    # It is neither begun anew by mistake, nor lost.
    assert train(*same, "--output", parted) == 1
    assert train("--resume", "--output", parted) == 0

    first, second = (_tensors(tmp_path / name / "adapter.gguf") for name in ("whole", "parted"))
    assert first.keys() == second.keys()
    for name, values in first.items():
        assert np.allclose(values, second[name], atol=1e-3), name
    assert read_manifest(parted / "model.yaml").base == "parted-base"
    # What is ready is not trained again by mistake, and goes on when told how far.
    assert train("--resume", "--output", parted) == 1
    assert train("--resume", "--output", parted, "--steps", "82") == 0


def _tensors(path: Path) -> dict[str, Any]:
    return {tensor.name: tensor.data.astype(np.float32) for tensor in gguf.GGUFReader(path).tensors}


PNG = b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR"
HEADER = "title,tag,artist,lyrics,language\n"


@pytest.mark.parametrize(
    ("content", "genre", "sentence"),
    [
        (b"title,tag,lyrics\n", "rock", "has no column artist, language"),
        (b"", "rock", "has no column title"),
        (PNG, "rock", "line 1: not UTF-8"),
        (b"PAR1 and nothing more", "rock", "cannot be read as Parquet"),
        (HEADER.encode() + b"a,rock,b,\xff\xfe,en\n", "rock", "line 2: not UTF-8"),
        (HEADER.encode() + b"a,rock,b\n", "rock", "line 2: 3 fields where the header has 5"),
        (HEADER.encode() + b'a,rock,b,"never closed', "rock", "not CSV"),
        (HEADER.encode() + b"a,rock,b,la la,en\n", "polka", "no song tagged 'polka'"),
        (HEADER.encode() + b"a,rock,b,la la,fr\n", "rock", "in the language 'en'"),
        (HEADER.encode() + b"a,rock,b,,en\nc,rock,d,[Chorus],en\n", "rock", "that has lyrics"),
        (HEADER.encode() + b"a,rock,b,la la,en\n" * 30, "rock", "There are 1 different songs"),
        (HEADER.encode(), "", "--genre"),
    ],
)
def test_a_table_that_cannot_be_used_is_told_so_in_a_sentence(
    content: bytes, genre: str, sentence: str, llama: Path, tmp_path: Path
) -> None:
    table = tmp_path / "songs.csv"
    table.write_bytes(content)
    said = refused(table, "--genre", genre, "--base", llama, "-o", tmp_path / "out", *QUICK)
    assert sentence in said


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["--base", "no-such-base"], "The base 'no-such-base' cannot be loaded"),
        (["--base", "rock"], "no base"),
        (["--base", __file__], "cannot be loaded"),
        (["--steps", "0"], "steps must be more than 0"),
        (["--learning-rate", "nan"], "learning-rate must be more than 0"),
        (["--length", "8"], "at least 32"),
        (["--length", "40"], "A prompt alone takes"),
        (["--length", "4096"], "reads 512 tokens"),
        (["--output", "/tmp/no good name"], "becomes the model's"),
        (["--resume"], "holds no training to resume"),
    ],
)
def test_a_setting_that_cannot_be_used_is_told_so_in_a_sentence(
    arguments: list[str], sentence: str, llama: Path, table: Path, tmp_path: Path
) -> None:
    given: list[str | Path] = ["--base", llama, "--output", tmp_path / "out", *arguments]
    assert sentence in refused(table, "--genre", "rock", *given)


def test_a_table_that_is_not_there_is_told_so(llama: Path, tmp_path: Path) -> None:
    said = refused(tmp_path / "none.csv", "--genre", "rock", "--base", llama)
    assert "is not a file" in said


def refused(*arguments: str | Path) -> str:
    with pytest.raises(SystemExit) as ended:
        main([str(argument) for argument in arguments])
    said = str(ended.value.code)
    assert said.startswith("orfeon: ")
    assert "\n" not in said
    return said
