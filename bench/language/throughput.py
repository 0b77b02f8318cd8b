"""Tokens per second of 1, 4 and 8 conversations together."""

import statistics
from collections.abc import Mapping, Sequence

from bench.language.client import Question, clients
from bench.language.systems import System
from bench.processes import cpu_seconds
from bench.product import Plain
from bench.report import Figure, spread

ROUNDS = 6
TOKENS = 128
CONCURRENT = (1, 4, 8)
TOPICS = (
    "a lighthouse keeper and the sea", "a fox who learns to read",
    "two brothers in a small village", "a queen without a crown", "an old ship in the ice",
    "a girl who talks to rivers", "the last train of the year", "a baker and his dragon",
)  # fmt: skip
#: At least what of the loop, of llama.cpp's server and of llama-cpp-python's, at each number.
TARGETS = {
    "raw": dict.fromkeys(CONCURRENT, 0.85),
    "llama-server": dict.fromkeys(CONCURRENT, 1.0),
    "llama_cpp.server": {1: 1.0, 4: 1.5, 8: 1.7},
}
#: Another order of additions can turn a near tie, so answers of servers may part ways late; these
#: first characters of at least half of the answers are the same.
ALIKE = 30

#: By system and how many conversations: one value a round.
Rounds = dict[tuple[str, int], list[float]]


def story(number: int) -> Question:
    """A question whose answer is long, unlike any other from its first words on."""
    turns = [
        {"role": "system", "content": f"{number} is the number of your reader."},
        {"role": "user", "content": f"Tell me a long story about {TOPICS[number % len(TOPICS)]}."},
    ]
    return Question(turns, TOKENS)


def rendered(question: Question) -> str:
    """The same in the chat template of the model, written out."""
    turns = (f"<|im_start|>{t['role']}\n{t['content']}<|im_end|>\n" for t in question.turns)
    return "".join(turns) + "<|im_start|>assistant\n"


async def measure(systems: Mapping[str, System], loop: Plain) -> list[Figure]:
    """Rounds in turns, forth and back; every round has prompts that nobody has read before."""
    names = ["raw", *systems]
    rates: Rounds = {(name, concurrent): [] for name in names for concurrent in CONCURRENT}
    costs: Rounds = {(name, concurrent): [] for name in names for concurrent in CONCURRENT}
    async with clients(*systems.values()) as asked:
        for client in asked:
            await client.ask(story(0))
        loop(prompts=[rendered(story(0))], tokens=TOKENS)
        servers = dict(zip(systems, asked, strict=True))
        for turn in range(ROUNDS):
            for concurrent in CONCURRENT:
                number = 100 * (turn + 1) + 10 * concurrent
                questions = [story(number + at) for at in range(concurrent)]
                texts = {}
                for name in names if turn % 2 else reversed(names):
                    pid = systems[name].pid if name in systems else loop.pid
                    began = cpu_seconds(pid)
                    if name == "raw":
                        prompts = [rendered(question) for question in questions]
                        run = loop(prompts=prompts, tokens=TOKENS)
                        texts[name], seconds = run["answers"], run["seconds"]
                    else:
                        answers, seconds = await servers[name].together(questions)
                        texts[name] = [answer.text for answer in answers]
                    took = cpu_seconds(pid) - began
                    rates[name, concurrent].append(concurrent * TOKENS / seconds)
                    costs[name, concurrent].append(took * 1e3 / (concurrent * TOKENS))
                _same_work(texts)
    return [*_figures(names, rates), *_costs(names, costs)]


def _costs(names: Sequence[str], costs: Rounds) -> list[Figure]:
    """Processor time, which other work on the machine changes less than the clock's."""
    return [
        Figure(f"{name}, {concurrent} together, processor a token",
               statistics.median(costs[name, concurrent]), "ms")
        for concurrent in CONCURRENT
        for name in names
    ]  # fmt: skip


def _same_work(texts: Mapping[str, Sequence[str]]) -> None:
    for name, answers in texts.items():
        pairs = zip(answers, texts["raw"], strict=True)
        alike = sum(ours[:ALIKE] == theirs[:ALIKE] for ours, theirs in pairs)
        if 2 * alike < len(answers):
            raise RuntimeError(f"{name} answers something else; the times cannot be compared")


def _figures(names: Sequence[str], rates: Rounds) -> list[Figure]:
    figures = [
        Figure(
            f"{name}, {concurrent} together", statistics.median(rates[name, concurrent]), "tok/s"
        )
        for concurrent in CONCURRENT
        for name in names
    ]
    for peer, targets in TARGETS.items():
        for concurrent, target in targets.items():
            pairs = zip(rates["orfeon", concurrent], rates[peer, concurrent], strict=True)
            ratios = [ours / theirs for ours, theirs in pairs]
            figures.append(
                Figure(f"Orfeón : {peer}, {concurrent} together", statistics.median(ratios), "x",
                       target, note=spread(ratios))
            )  # fmt: skip
    return figures
