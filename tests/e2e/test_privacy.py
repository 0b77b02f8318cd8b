"""What people say and write stays between them and the model."""

import os
import threading
from pathlib import Path
from typing import Any

import numpy as np
import openai
import pytest

from tests.e2e.conftest import Product
from tests.recordings import wav

MODEL = "smollm2-135m-instruct"
WORDS = ("marmalade", "telescope")
#: Of schemas and tools.
FORMAL = ("persimmon", "tamarind", "kumquat", "physalis")


def shaped(schema: dict[str, Any]) -> Any:
    return {"type": "json_schema", "json_schema": {"name": FORMAL[0], "schema": schema}}


def one_of(name: str, value: str) -> dict[str, Any]:
    return {"type": "object", "properties": {name: {"enum": [value]}}, "required": [name]}


def test_no_log_holds_what_was_said_or_written(product: Product) -> None:
    client = product.client()
    text = f"My {WORDS[0]} is under the {WORDS[1]}."
    messages: Any = [{"role": "user", "content": f"Repeat: {text}"}]
    client.chat.completions.create(model=MODEL, messages=messages, max_tokens=20)
    speech = client.audio.speech.create(model="tts-1", voice="joe", input=text).read()
    heard = client.audio.transcriptions.create(model="whisper-1", file=("a.mp3", speech))
    assert any(word in heard.text.lower() for word in WORDS)
    wish = {"theme": text, "first_line": text, "sections": ["verse"], "lines": 2}
    with product.http() as http:
        assert http.post("/v1/lyrics", json=wish).json()["sections"][0]["lines"][0]["text"] == text
    assert_unheard(product, WORDS)


def test_no_log_holds_a_word_of_a_schema_or_a_tool(product: Product) -> None:
    client = product.client()
    messages: Any = [{"role": "user", "content": "Go."}]
    schema = one_of(FORMAL[1], FORMAL[2])
    done = client.chat.completions.create(
        model=MODEL, messages=messages, response_format=shaped(schema)
    )
    assert FORMAL[2] in (done.choices[0].message.content or "")
    function = {"name": FORMAL[3], "description": FORMAL[0], "parameters": schema}
    tools: Any = [{"type": "function", "function": function}]
    called = client.chat.completions.create(
        model=MODEL, messages=messages, tools=tools, tool_choice="required"
    )
    assert FORMAL[3] in called.model_dump_json()
    # A grammar of ours, but one that repeats more than llama.cpp will: it refuses and prints it.
    endless = {"type": "string", "pattern": "^((ab){0,50}){500}$"}
    schema["properties"][FORMAL[0]] = endless
    with pytest.raises(openai.BadRequestError, match="cannot be made into a grammar"):
        client.chat.completions.create(
            model=MODEL, messages=messages, response_format=shaped(schema)
        )
    assert_unheard(product, FORMAL)


def assert_unheard(product: Product, words: tuple[str, ...]) -> None:
    """The logs hold all that the services print, and what libraries print in them."""
    logs = sorted((product.home / "logs").glob("*.log"))
    assert {log.stem for log in logs} >= {"gateway", "chat", "lyrics", "speech", "emotion"}
    for log in logs:
        said = log.read_text("utf-8", "replace").lower()
        # The web app is silent while all goes well.
        assert said or log.stem == "studio"
        assert not any(word in said for word in words), log.name


def test_no_recording_is_written_to_a_disk(product: Product) -> None:
    """Looks at what the processes have open while 20 MB of noise are sent, and worked on."""
    noise = np.random.default_rng(0).integers(-3000, 3000, 10_000_000, np.int16)
    body = wav((noise / 32767).astype(np.float32)[:, None])
    watched = [product.part("gateway"), product.service("emotion")]
    seen: set[str] = set()
    over = threading.Event()

    def watch() -> None:
        while not over.is_set():
            for process in watched:
                seen.update(written(process.pid))
            over.wait(0.005)

    watcher = threading.Thread(target=watch)
    watcher.start()
    try:
        with product.http() as http:
            form = {"files": {"file": ("noise.wav", body)}, "data": {"timeline": "true"}}
            answer = http.post("/v1/audio/classifications", **form)  # type: ignore[arg-type]
            assert answer.status_code == 200
            assert answer.json()["duration"] == 625
    finally:
        over.set()
        watcher.join()
    assert not {name for name in seen if not name.startswith(str(product.home))}


def written(pid: int) -> set[str]:
    """The files on a disk that a process has open to write to."""
    found = set()
    for number in os.listdir(f"/proc/{pid}/fd"):
        try:
            name = os.readlink(f"/proc/{pid}/fd/{number}")
            flags = Path(f"/proc/{pid}/fdinfo/{number}").read_text().split("flags:")[1].split()[0]
        except FileNotFoundError:
            continue
        if name.startswith("/") and int(flags, 8) & os.O_ACCMODE != os.O_RDONLY:
            found.add(name)
    return {name for name in found if not name.startswith(("/dev/", "/memfd:"))}
