"""Conversations with pictures through the real engine, on tiny models of random weights."""

import asyncio
import ctypes
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from llama_cpp import llama_cpp, mtmd_cpp

from services.runtime.errors import ContextLengthExceeded, InvalidRequest, ModelLoadFailed
from services.runtime.llama.generation import (
    Chosen,
    Finished,
    Generation,
    Image,
    LanguageModel,
    Message,
    Piece,
    Prompt,
    Sampling,
)
from services.runtime.llama.llama_engine import LlamaEngine
from services.runtime.llama.marks import is_mark
from services.runtime.manifest import Manifest
from tests import seeing
from tests.documented import documented_models
from tests.placed import on_cpu

GREEDY = Sampling(temperature=0, repeat_penalty=1.0)
CONTEXT = 1024
MAKERS = [seeing.llava, seeing.smolvlm, seeing.gemma]


def manifest(*, sees: bool = True, **options: Any) -> Manifest:
    files = ["model.gguf", "mmproj.gguf"] if sees else ["model.gguf"]
    return Manifest.model_validate(
        {
            "name": "tiny-llava",
            "capability": "chat",
            "engine": "llama-cpp",
            "tasks": ["chat"],
            "owned_by": "tests",
            "licence": "Apache-2.0",
            "memory_bytes": 10_000_000,
            "files": {name: {"sources": [{"local": name}]} for name in files},
            "options": options,
        }
    )


@contextmanager
def loaded(
    folder: Path, described: Manifest | None = None, **settings: Any
) -> Iterator[LanguageModel]:
    described = described or manifest()
    defaults: dict[str, Any] = {"context_length": CONTEXT, "places": 4}
    engine = LlamaEngine(device="cpu", threads=1, **defaults | settings)
    model = engine.load(described, folder, on_cpu(described))
    yield model
    model.close()


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LanguageModel]:
    with loaded(seeing.llava(tmp_path_factory.mktemp("llava"))) as made:
        yield made


def asked(*content: str | Image) -> list[Message]:
    return [Message("user", content)]


async def answer(
    model: LanguageModel, messages: list[Message], *, level: int = 1, tokens: int = 24, **rest: Any
) -> tuple[str, Finished]:
    pieces, end = await spoken(model, messages, level=level, tokens=tokens, **rest)
    return "".join(piece.text for piece in pieces), end


async def spoken(
    model: LanguageModel, messages: list[Message], *, level: int = 1, tokens: int = 24, **rest: Any
) -> tuple[list[Piece], Finished]:
    prompt = await asyncio.to_thread(model.conversation, messages)
    wanted = Generation(prompt, GREEDY, max_tokens=tokens, **rest)
    found: list[Piece] = []
    async with model.generate(wanted, level) as pieces:
        async for piece in pieces:
            if isinstance(piece, Finished):
                return found, piece
            found.append(piece)
    raise AssertionError("an answer ends")


def reference(folder: Path, prompt: str, image: Image, tokens: int) -> bytes:
    """What llama.cpp's own helpers say, with a context to themselves. `prompt` has the marker."""
    llama_cpp.llama_backend_init()
    model = llama_cpp.llama_model_load_from_file(
        str(folder / "model.gguf").encode(), llama_cpp.llama_model_default_params()
    )
    params = llama_cpp.llama_context_default_params()
    params.n_ctx = CONTEXT
    context = llama_cpp.llama_init_from_model(model, params)
    eyes = mtmd_cpp.mtmd_init_from_file(
        str(folder / "mmproj.gguf").encode(), model, mtmd_cpp.mtmd_context_params_default()
    )
    vocabulary = llama_cpp.llama_model_get_vocab(model)
    data = (ctypes.c_uint8 * len(image.data)).from_buffer_copy(image.data)
    bitmap = mtmd_cpp.mtmd_helper_bitmap_init_from_buf(eyes, data, len(image.data), False)
    chunks = mtmd_cpp.mtmd_input_chunks_init()
    raw = prompt.encode()
    text = mtmd_cpp.mtmd_input_text(raw, len(raw), False, True)
    bitmaps = (mtmd_cpp.mtmd_bitmap_p_ctypes * 1)(bitmap)
    assert mtmd_cpp.mtmd_tokenize(eyes, chunks, ctypes.byref(text), bitmaps, 1) == 0
    past = llama_cpp.llama_pos(0)
    assert (
        mtmd_cpp.mtmd_helper_eval_chunks(eyes, context, chunks, 0, 0, 512, True, ctypes.byref(past))
        == 0
    )
    written = b""
    for _ in range(tokens):
        logits = llama_cpp.llama_get_logits_ith(context, -1)
        count = llama_cpp.llama_vocab_n_tokens(vocabulary)
        token = max(range(count), key=lambda at: float(logits[at]))
        if llama_cpp.llama_vocab_is_eog(vocabulary, token):
            break
        buffer = ctypes.create_string_buffer(64)
        length = llama_cpp.llama_token_to_piece(vocabulary, token, buffer, 64, 0, False)
        written += buffer.raw[:length]
        batch = llama_cpp.llama_batch_get_one((llama_cpp.llama_token * 1)(token), 1)
        assert llama_cpp.llama_decode(context, batch) == 0
    mtmd_cpp.mtmd_input_chunks_free(chunks)
    mtmd_cpp.mtmd_bitmap_free(bitmap)
    mtmd_cpp.mtmd_free(eyes)
    llama_cpp.llama_free(context)
    llama_cpp.llama_model_free(model)
    return written


CHATML = "<|im_start|>user\n{}<|im_end|>\n<|im_start|>assistant\n"
PARTS = "<|im_start|>User: {}<end_of_utterance>\nAssistant:"
ONE, OTHER = seeing.picture(1), seeing.picture(2)


@pytest.mark.parametrize("seed", [1, 2])
@pytest.mark.parametrize(
    ("make", "template"),
    [(seeing.llava, CHATML), (seeing.smolvlm, PARTS), (seeing.gemma, CHATML)],
)
async def test_it_says_what_llama_cpps_own_helpers_make_it_say(
    make: Callable[[Path], Path], template: str, seed: int, tmp_path: Path
) -> None:
    folder, picture = make(tmp_path), seeing.picture(seed)
    expected = reference(folder, template.format("What is <__media__> this?"), picture, 24)
    with loaded(folder) as model:
        text, _ = await answer(model, asked("What is ", picture, " this?"))
    assert text == expected.decode("utf-8", "replace")


async def test_a_picture_is_counted_in_tokens(model: LanguageModel) -> None:
    _, without = await answer(model, asked("What is this?"))
    _, end = await answer(model, asked("What is this?", ONE))
    assert end.prompt_tokens == without.prompt_tokens + 16


async def test_pictures_make_the_difference(model: LanguageModel) -> None:
    def told(pieces: list[Piece]) -> list[tuple[bytes, float]]:
        return [(one.token, one.logprob) for piece in pieces for one in piece.chosen]

    question = "What is this?"
    first, _ = await spoken(model, asked(ONE, question), logprobs=0)
    again, _ = await spoken(model, asked(ONE, question), logprobs=0)
    other, _ = await spoken(model, asked(OTHER, question), logprobs=0)
    blind, _ = await spoken(model, asked(question), logprobs=0)
    assert [token for token, _ in told(first)] == [token for token, _ in told(again)]
    assert told(first)[0][1] == pytest.approx(told(again)[0][1], abs=0.01)
    assert abs(told(first)[0][1] - told(other)[0][1]) > 0.05
    assert abs(told(first)[0][1] - told(blind)[0][1]) > 0.05


async def test_the_order_of_pictures_matters(model: LanguageModel) -> None:
    one, _ = await answer(model, asked(ONE, OTHER, "Which?"))
    two, _ = await answer(model, asked(OTHER, ONE, "Which?"))
    assert one != two


async def test_a_picture_seen_before_is_not_read_again(tmp_path: Path) -> None:
    with loaded(seeing.llava(tmp_path)) as model:
        question = asked("Look: ", ONE, "What is this?")
        text, first = await answer(model, question)
        turns = [*question, Message("assistant", (text,)), Message("user", ("And why?",))]
        _, second = await answer(model, turns)
        _, other = await answer(model, asked("Look: ", OTHER, "What is this?"))
    assert first.cached_tokens == 0
    assert second.cached_tokens >= first.prompt_tokens
    begin = len("Look: ") + len("<|im_start|>user\n") - len("<|im_start|>") + 1
    assert other.cached_tokens == begin


async def tokens(model: LanguageModel, messages: list[Message], level: int = 1) -> list[Chosen]:
    pieces, _ = await spoken(model, messages, level=level, tokens=60, logprobs=2)
    return [one for piece in pieces for one in piece.chosen]


def agree(one: list[Chosen], other: list[Chosen]) -> bool:
    """Equal as far as no two tokens were as good as each other: batches round differently."""
    for mine, yours in zip(one, other, strict=False):
        if mine.token != yours.token:
            (_, first), (_, second) = mine.likeliest
            return first - second < 0.05
        assert mine.logprob == pytest.approx(yours.logprob, abs=0.05)
    return len(one) == len(other)


@pytest.mark.parametrize("make", MAKERS)
async def test_eight_at_once_say_what_each_says_alone(
    make: Callable[[Path], Path], tmp_path: Path
) -> None:
    questions = [
        asked(*content)
        for at in range(4)
        for content in (("Text ", f"{at}"), ("See ", seeing.picture(at), f"{at}?"))
    ]
    with loaded(make(tmp_path), reuse=False) as model:
        alone = [await tokens(model, question) for question in questions]
        together = await asyncio.gather(*(tokens(model, question) for question in questions))
    assert all(map(agree, alone, together))


@pytest.mark.parametrize("make", MAKERS)
async def test_what_was_sent_away_is_read_anew(
    make: Callable[[Path], Path], tmp_path: Path
) -> None:
    """Room for one and a half: the less urgent lose their cells again and again."""
    questions = [asked("See ", seeing.picture(at), f"{at}?") for at in range(4)]
    with loaded(make(tmp_path), context_length=200, cells=200, places=2) as model:
        alone = [await tokens(model, question) for question in questions]
        together = await asyncio.gather(
            *(
                tokens(model, question, level)
                for question, level in zip(questions, (2, 2, 1, 0), strict=True)
            )
        )
    assert all(map(agree, alone, together))


async def test_choices_share_a_picture(model: LanguageModel) -> None:
    prompt = await asyncio.to_thread(model.conversation, asked(ONE, "What is this?"))
    wanted = Generation(prompt, Sampling(temperature=1.5, seed=1), max_tokens=8, choices=3)
    texts = {0: "", 1: "", 2: ""}
    async with model.generate(wanted, 1) as pieces:
        async for piece in pieces:
            if isinstance(piece, Piece):
                texts[piece.choice] += piece.text
    assert len(set(texts.values())) == 3


async def test_who_leaves_while_a_picture_is_encoded_leaves_nothing_behind(
    model: LanguageModel,
) -> None:
    pictures = [seeing.picture(seed) for seed in range(100, 108)]
    leaving = [
        asyncio.create_task(answer(model, asked(picture, "What is this?"))) for picture in pictures
    ]
    for task in leaving:
        await asyncio.sleep(0.005)
        task.cancel()
    await asyncio.gather(*leaving, return_exceptions=True)
    text, _ = await answer(model, asked(ONE, "What is this?"))
    assert text == (await answer(model, asked(ONE, "What is this?")))[0]


def test_a_model_without_a_projector_says_that_it_cannot_see(tmp_path: Path) -> None:
    with loaded(seeing.llava(tmp_path), manifest(sees=False)) as model:
        assert not model.sees
        with pytest.raises(InvalidRequest, match="cannot see") as refused:
            model.conversation(asked(ONE, "What is this?"))
    assert refused.value.param == "messages"


def test_a_broken_picture_is_refused(model: LanguageModel) -> None:
    assert model.sees
    with pytest.raises(InvalidRequest, match="cannot be read"):
        model.conversation(asked(Image(ONE.data[:500]), "What is this?"))


def test_more_pictures_than_the_context_holds_are_refused(model: LanguageModel) -> None:
    with pytest.raises(ContextLengthExceeded, match="first 64 of the pictures"):
        model.conversation(asked(*[ONE] * 1000, "What are these?"))


async def test_nobody_can_write_a_picture(model: LanguageModel) -> None:
    marker = asked("<__media__>", "<image>", "<start_of_image>")
    _, end = await answer(model, marker)
    assert end.prompt_tokens == len("<__media__><image><start_of_image>") + 20 - 1
    seen = model.conversation(asked(ONE))
    marks = tuple(filter(is_mark, seen.tokens))
    for forged in (Prompt(marks), Prompt((-1,)), Prompt((1, *marks, 1), (OTHER,))):
        with pytest.raises(InvalidRequest, match="does not know"):
            async with model.generate(Generation(forged), 1):
                pass


async def test_pictures_have_no_vector(model: LanguageModel) -> None:
    with pytest.raises(InvalidRequest, match="Only text"):
        await model.embed([model.conversation(asked(ONE))], 1)


async def test_a_template_of_the_models_description_goes_first(tmp_path: Path) -> None:
    """That of the LLaVA in the documentation, whose file has none."""
    folder = seeing.llava(tmp_path)
    expected = reference(folder, "<s>Be brief.\n\nUSER: <__media__>What?\nASSISTANT:", ONE, 24)
    described = documented_models()["llava-1.5-7b"]
    messages = [Message("system", ("Be brief.",)), *asked(ONE, "What?")]
    with loaded(folder, manifest(**described["options"])) as model:
        text, _ = await answer(model, messages)
    assert text == expected.decode("utf-8", "replace")


def test_a_projector_of_other_weights_is_refused(tmp_path: Path) -> None:
    folder = seeing.llava(tmp_path)
    (folder / "mmproj.gguf").write_bytes(b"GGUF")
    with pytest.raises(ModelLoadFailed, match=r"mmproj\.gguf"), loaded(folder):
        pass
