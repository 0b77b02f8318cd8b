"""The real SmolLM2 through the real engine: many at once, and what they leave to one another."""

import asyncio
import time
from collections.abc import AsyncIterator, Iterator
from dataclasses import replace
from pathlib import Path

import gguf
import numpy as np
import psutil
import pytest

from services.runtime.errors import (
    InvalidRequest,
    ModelLoadFailed,
    ServiceUnavailable,
)
from services.runtime.llama.generation import (
    Generation,
    LanguageModel,
    Message,
    Sampling,
)
from services.runtime.llama.llama_engine import LlamaEngine
from services.runtime.manifest import Manifest
from tests.integration.answering import (
    CONTEXT,
    GREEDY,
    Answer,
    all_of,
    answer,
    asking,
    loaded,
    same,
)
from tests.placed import on_cpu

QUESTIONS = (
    "What is 2+2?", "Why is the sky blue?", "Name three rivers.", "Write a line about rain.",
    "What do cats eat?", "Who wrote Hamlet?", "What is a verb?", "How far is the moon?",
)  # fmt: skip


@pytest.fixture(scope="module")
def model(smollm: tuple[Manifest, Path]) -> Iterator[LanguageModel]:
    with loaded(smollm) as model:
        yield model


@pytest.fixture(scope="module")
def alone(smollm: tuple[Manifest, Path]) -> list[Answer]:
    """Each question by itself, with nothing kept."""
    with loaded(smollm, places=1, reuse=False) as model:
        asked = [asking(model, text, logprobs=3) for text in QUESTIONS]
        return [asyncio.run(answer(model, each)) for each in asked]


@pytest.mark.parametrize("reuse", [False, True])
@pytest.mark.parametrize("cells", [0, CONTEXT])
async def test_eight_together_say_what_each_says_alone(
    smollm: tuple[Manifest, Path], alone: list[Answer], reuse: bool, cells: int
) -> None:
    # 512 cells are too few for eight sequences of 60 tokens and more: some have to wait.
    with loaded(smollm, reuse=reuse, cells=cells) as model:
        asked = [asking(model, text, logprobs=3) for text in QUESTIONS]
        for one, other in zip(alone, await all_of(model, asked), strict=True):
            same(one, other)
            assert (other.end.cached_tokens > 0) <= reuse


async def test_what_urgent_requests_send_away_goes_on_as_if_nothing_had_been(
    smollm: tuple[Manifest, Path], alone: list[Answer]
) -> None:
    with loaded(smollm, places=4, cells=CONTEXT) as model:
        asked = [asking(model, text, logprobs=3) for text in QUESTIONS]
        background = asyncio.gather(*(answer(model, each, 2) for each in asked[:4]))
        await answer(model, asking(model, "Hi", 2), 2)
        long = "An old story tells of the sea and of those who went there. " * 28
        urgent = [asking(model, f"{number}. {long}", 2) for number in range(2)]
        for each in await all_of(model, urgent, [0, 0]):
            assert each.end.completion_tokens == 2
        for one, other in zip(alone[:4], await background, strict=True):
            same(one, other)


async def test_a_seed_says_the_same_again_whatever_came_meanwhile(
    smollm: tuple[Manifest, Path],
) -> None:
    free = Sampling(temperature=1.0, seed=7)
    with loaded(smollm, places=4) as model:
        wanted = asking(model, "Tell me a story.", 60, sampling=free, logprobs=0)
        alone = await answer(model, wanted)
        # Long ones are read in pieces, and all together are more than the cache holds.
        long = "An old story tells of the sea and of those who went there. " * 20
        others = [asking(model, f"{number}. {long}", 30) for number in range(6)]
        for _ in range(2):
            _, again, *_ = await all_of(model, [others[0], wanted, *others[1:]])
            same(alone, again)


async def test_an_urgent_answer_begins_long_before_those_that_were_there(
    model: LanguageModel,
) -> None:
    background = [asyncio.create_task(answer(model, asking(model, t, 60), 2)) for t in QUESTIONS]
    await asyncio.sleep(0)
    urgent = await answer(model, asking(model, "Say yes.", 4), 0)
    assert not any(each.done() for each in background)
    others = await asyncio.gather(*background)
    assert urgent.first < max(each.first for each in others)


async def test_there_may_be_as_many_places_as_the_settings_allow(
    smollm: tuple[Manifest, Path],
) -> None:
    with loaded(smollm, places=64, cells=2048) as model:
        found = await all_of(model, [asking(model, "Hi", 2)] * 64, [1] * 64)
        assert {each.text for each in found} == {found[0].text}


async def test_a_conversation_is_not_read_twice(model: LanguageModel) -> None:
    said = [Message("user", ("Tell me of an old lighthouse and its keeper.",))]
    first = await answer(model, Generation(model.conversation(said), GREEDY, 16))
    said += [Message("assistant", (first.text,)), Message("user", ("And then?",))]
    prompt = model.conversation(said)
    second = await answer(model, Generation(prompt, GREEDY, 4))
    known = first.end.prompt_tokens + first.end.completion_tokens
    assert known - 3 <= second.end.cached_tokens < second.end.prompt_tokens


async def test_a_reader_who_leaves_frees_the_place(smollm: tuple[Manifest, Path]) -> None:
    with loaded(smollm, places=1) as model:
        for _ in range(5):
            async with model.generate(asking(model, "Count to a thousand.", 400), 1) as pieces:
                async for _ in pieces:
                    break
        began = time.monotonic()
        assert (await answer(model, asking(model, "Hi", 2))).end.completion_tokens == 2
        assert time.monotonic() - began < 5


async def test_who_leaves_while_the_prompt_is_read_does_not_keep_others(
    model: LanguageModel,
) -> None:
    long = asking(model, "cat dog " * 200, 4)
    reader = asyncio.create_task(answer(model, long))
    await asyncio.sleep(0.05)
    reader.cancel()
    short = asking(model, "What is 2+2?", 12)
    text = (await answer(model, short)).text
    assert (await answer(model, short)).text == text
    assert "4" in text


async def test_an_adapter_that_there_is_not_is_refused(model: LanguageModel) -> None:
    with pytest.raises(InvalidRequest, match=r"no adapter 'rock'; it has: none") as refused:
        await answer(model, asking(model, "Hi", 2, adapter="rock"))
    assert refused.value.param == "adapter"


async def test_unloading_ends_what_is_being_written(smollm: tuple[Manifest, Path]) -> None:
    manifest, folder = smollm
    engine = LlamaEngine(device="cpu", threads=1, context_length=CONTEXT, places=2)
    model = engine.load(manifest, folder, on_cpu(manifest))
    asked = asking(model, "Count to a thousand.", 400)
    async with model.generate(asked, 1) as pieces:
        await anext(pieces)
        await asyncio.to_thread(model.close)
        with pytest.raises(ServiceUnavailable):
            await exhausted(pieces)
    with pytest.raises(ServiceUnavailable):
        await answer(model, asked)


async def exhausted(pieces: AsyncIterator[object]) -> None:
    async for _ in pieces:
        pass


def adapter(path: Path, seed: int) -> None:
    """A LoRA adapter of random numbers for the last layer, in the form that llama.cpp reads."""
    random = np.random.default_rng(seed)
    writer = gguf.GGUFWriter(path, "llama")
    writer.add_type("adapter")
    writer.add_string("adapter.type", "lora")
    writer.add_float32("adapter.lora.alpha", 4.0)
    for name, inner, outer in (("ffn_down", 1536, 576), ("attn_output", 576, 576)):
        down = random.normal(0, 0.3, (4, inner)).astype(np.float32)
        up = random.normal(0, 0.3, (outer, 4)).astype(np.float32)
        writer.add_tensor(f"blk.29.{name}.weight.lora_a", down)
        writer.add_tensor(f"blk.29.{name}.weight.lora_b", up)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()


def with_adapters(manifest: Manifest, folder: Path, *names: str) -> Manifest:
    for seed, name in enumerate(names):
        adapter(folder / f"{name}.gguf", seed)
    files = {name: f"{name}.gguf" for name in names}
    return manifest.model_copy(update={"options": manifest.options | {"adapters": files}})


async def test_adapters_take_turns_and_change_only_their_own_answers(
    smollm: tuple[Manifest, Path],
) -> None:
    manifest, folder = smollm
    with loaded((with_adapters(manifest, folder, "rock", "rap"), folder)) as model:
        asked = [
            asking(model, text, 12, logprobs=3, adapter=name)
            for text in QUESTIONS[:2]
            for name in ("", "rock", "rap")
        ]
        alone = [await answer(model, each) for each in asked]
        assert len({each.text for each in alone}) == len(asked)
        # What was read under one adapter is of no use to another.
        assert [each.end.cached_tokens > 0 for each in alone] == [False] * 3 + [True] * 3
        for one, other in zip(alone, await all_of(model, asked), strict=True):
            same(one, other)
        with pytest.raises(InvalidRequest, match="it has: rap, rock"):
            await answer(model, replace(asked[0], adapter="pop"))


def test_a_broken_adapter_is_refused_by_its_name(
    smollm: tuple[Manifest, Path], tmp_path: Path
) -> None:
    manifest, folder = smollm
    described = with_adapters(manifest, tmp_path, "rock")
    (tmp_path / "model.gguf").symlink_to(folder / "model.gguf")
    (tmp_path / "rock.gguf").write_bytes(b"GGUF and nothing else")
    with pytest.raises(ModelLoadFailed, match=r"rock\.gguf"), loaded((described, tmp_path)):
        pass


async def test_a_thousand_requests_leave_memory_as_it_was(model: LanguageModel) -> None:
    process = psutil.Process()

    async def rounds(count: int) -> int:
        for number in range(count):
            asked = Generation(model.text(f"{number}"), Sampling(), max_tokens=1)
            await asyncio.gather(*(answer(model, asked) for _ in range(8)))
        resident: int = process.memory_info().rss
        return resident

    before = await rounds(15)
    # What others left in this process may be in the way of the first thousand; what leaks grows
    # with each.
    for _ in range(5):
        after = await rounds(125)
        if after < before * 1.02:
            break
        before = after
    assert after < before * 1.02
