"""The task commands, beside a running product."""

import json
from pathlib import Path

from tests.e2e.conftest import Product
from tests.words import word_error_rate

SENTENCE = "She opened the window and listened to the birds singing in the garden."


def test_a_sentence_goes_round_the_commands(product: Product, tmp_path: Path) -> None:
    file = str(tmp_path / "sentence.mp3")
    assert product.orfeon("speak", SENTENCE, "-o", file).returncode == 0
    heard = product.orfeon("transcribe", file)
    assert word_error_rate(SENTENCE, heard.stdout) < 0.2
    assert "-->" in product.orfeon("transcribe", file, "--format", "srt").stdout
    labels = json.loads(product.orfeon("classify", file, "--json").stdout)
    assert "happy" in json.dumps(labels)
    # Greedily and not for long: what is drawn may go on to the end of the context.
    greedy = ("--temperature", "0", "--max-tokens", "40")
    assert "4" in product.orfeon("chat", "What is 2+2?", *greedy).stdout


def test_what_is_loaded_is_listed(product: Product) -> None:
    listed = product.orfeon("models", "ls")
    assert "smollm2-135m-instruct" in listed.stdout
    assert "whisper-base" in product.orfeon("ps").stdout


def test_a_file_that_is_not_there_is_one_sentence(product: Product) -> None:
    failed = product.orfeon("transcribe", "nowhere.mp3")
    assert failed.returncode != 0
    assert "nowhere.mp3" in failed.stderr
    assert "Traceback" not in failed.stderr
