"""What is gained by not reading again what has been read."""

import statistics
from collections.abc import Mapping

from bench.language.client import Client, Question, clients
from bench.language.systems import System
from bench.report import Figure, spread

ROUNDS = 4
#: Questions that each of two users asks a round, in turns; the first of each is not counted.
ASKED = 4
#: Rules of about 33 tokens.
SHORT, LONG = 15, 26
PEER = "llama_cpp.server"


def rules(number: int, count: int) -> str:
    """A long text, unlike any other from its first words on."""
    return " ".join(
        f"House {number}, rule {at}: guests who arrive after {at % 12 + 1} in the evening take the "
        f"{('left', 'right')[at % 2]} door and leave their coats on hook {number + at}."
        for at in range(count)
    )


def _question(system: str, number: int) -> Question:
    turns = [
        {"role": "system", "content": system},
        {"role": "user", "content": f"I am guest {number}. Tell me at length what to mind."},
    ]
    return Question(turns, 4)


async def _taking_turns(client: Client, systems: tuple[str, str], number: int) -> float:
    """Median seconds to the first words of two users who ask in turns."""
    waits = []
    for at in range(ASKED):
        for user, system in enumerate(systems):
            answer = await client.ask(_question(system, number + 2 * at + user))
            if at:
                waits.append(answer.first)
    return statistics.median(waits)


async def _second_turn(client: Client, number: int) -> float:
    """Seconds to the first words of a second turn, as a part of the first turn's."""
    first = {"role": "user", "content": rules(number, LONG) + " What are these rules about?"}
    answer = await client.ask(Question([first], 48))
    second = await client.ask(
        Question(
            [
                first,
                {"role": "assistant", "content": answer.text},
                {"role": "user", "content": "And which of them is the strictest? Explain."},
            ],
            4,
        )
    )
    return second.first / answer.first


async def measure(systems: Mapping[str, System]) -> list[Figure]:
    """Rounds in turns, forth and back."""
    names = ("orfeon", PEER)
    waits: dict[str, dict[str, list[float]]] = {
        kind: {name: [] for name in names} for kind in ("own", "same")
    }
    seconds: list[float] = []
    async with clients(*(systems[name] for name in names)) as asked:
        servers = dict(zip(names, asked, strict=True))
        for turn in range(ROUNDS):
            number = 2000 + 100 * turn
            one, other = rules(number, SHORT), rules(number + 50, SHORT)
            for name in names if turn % 2 else reversed(names):
                for kind, prompts in (("own", (one, other)), ("same", (one, one))):
                    waits[kind][name].append(await _taking_turns(servers[name], prompts, number))
            seconds.append(await _second_turn(servers["orfeon"], 3000 + turn))
    return [*_figures(waits["own"], "own rules"), *_figures(waits["same"], "the same rules"),
            Figure("second turn of 1,000 tokens : first", statistics.median(seconds), "x", 0.25,
                   at_least=False, note=spread(seconds))]  # fmt: skip


def _figures(waits: Mapping[str, list[float]], kind: str) -> list[Figure]:
    ratios = [b / a for a, b in zip(waits["orfeon"], waits[PEER], strict=True)]
    # A peer that keeps the last conversation has all that two users share, so only the case in
    # which they do not has a target.
    target = 5.0 if kind == "own rules" else None
    return [
        *(
            Figure(f"first words, {kind}, {name}", statistics.median(waits[name]), "s")
            for name in waits
        ),
        Figure(f"{PEER} : Orfeón, {kind}", statistics.median(ratios), "x", target,
               note=spread(ratios)),
    ]  # fmt: skip
