"""The same work with the bare libraries: what the product is measured against.

`python -m bench.plain HOME WORK THREADS` loads, prints `ready`, then does the work once for every
line on standard input, which holds its JSON argument, and prints the JSON result.
"""

import json
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from services.runtime.registry import Registry
from services.runtime.threads import wait_patiently

SERVICES = Path(__file__).resolve().parent.parent / "services"

Work = Callable[[dict[str, Any]], dict[str, Any]]


def _folder(home: Path, capability: str, task: str) -> Path:
    registry = Registry(home, [SERVICES / capability / "models"])
    return registry.folder(registry.resolve("", task))


def weights(home: Path) -> Path:
    """The file of chat's default model."""
    return _folder(home, "chat", "chat") / "model.gguf"


def chat(home: Path, threads: int) -> Work:
    """A streamed completion: seconds from first to last token, and their number."""
    import llama_cpp

    llama = llama_cpp.Llama(
        str(weights(home)),
        n_ctx=8192, n_threads=threads, n_threads_batch=threads, verbose=False,
    )  # fmt: skip

    def work(argument: dict[str, Any]) -> dict[str, Any]:
        moments = []
        for chunk in llama.create_chat_completion(
            [{"role": "user", "content": argument["text"]}],
            max_tokens=argument["max_tokens"], temperature=0.0, stream=True,
        ):  # fmt: skip
            if "content" in chunk["choices"][0]["delta"]:  # type: ignore[index]
                moments.append(time.perf_counter())
        return {"tokens": len(moments), "seconds": moments[-1] - moments[0]}

    return work


def decode(home: Path, threads: int) -> Work:
    """Answers written together by nothing but `llama_decode`: texts and seconds."""
    from bench.language.raw import RawLoop

    loop = RawLoop(weights(home), threads=threads, sequences=8, context=8192)

    def work(argument: dict[str, Any]) -> dict[str, Any]:
        run = loop.run(argument["prompts"], argument["tokens"])
        return {"answers": run.answers, "seconds": run.seconds}

    return work


def transcribe(home: Path, threads: int) -> Work:
    """A whole transcription: seconds and text."""
    from faster_whisper import WhisperModel

    folder = _folder(home, "speech", "transcription")
    whisper = WhisperModel(str(folder), device="cpu", compute_type="int8", cpu_threads=threads)

    def work(argument: dict[str, Any]) -> dict[str, Any]:
        began = time.perf_counter()
        segments, _ = whisper.transcribe(argument["file"])
        text = "".join(segment.text for segment in segments).strip()
        return {"seconds": time.perf_counter() - began, "text": text}

    return work


def speak(home: Path, _threads: int) -> Work:
    """A whole text synthesised before anything can be heard: seconds."""
    from piper import PiperVoice

    folder = _folder(home, "speech", "speech")
    voice = PiperVoice.load(folder / "voice.onnx", config_path=folder / "voice.json")

    def work(argument: dict[str, Any]) -> dict[str, Any]:
        began = time.perf_counter()
        audio = b"".join(chunk.audio_int16_bytes for chunk in voice.synthesize(argument["text"]))
        return {"seconds": time.perf_counter() - began, "bytes": len(audio)}

    return work


WORKS = {"chat": chat, "decode": decode, "transcribe": transcribe, "speak": speak}


def main() -> None:
    """Serves the work named on the command line."""
    wait_patiently()
    home, name, threads = Path(sys.argv[1]), sys.argv[2], int(sys.argv[3])
    work = WORKS[name](home, threads)
    print("ready", flush=True)
    for line in sys.stdin:
        print(json.dumps(work(json.loads(line))), flush=True)


if __name__ == "__main__":
    main()
