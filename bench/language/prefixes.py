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
#: A peer that keeps the last conversation has all that two users with the same rules share, so only
#: users with rules of their own have a target.
KINDS = {"own rules": 5.0, "the same rules": None}


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
    waits: list[dict[str, list[float]]] = [{name: [] for name in names} for _ in KINDS]
    seconds: list[float] = []
    async with clients(*(systems[name] for name in names)) as asked:
        servers = dict(zip(names, asked, strict=True))
        for turn in range(ROUNDS):
            number = 2000 + 100 * turn
            one, other = rules(number, SHORT), rules(number + 50, SHORT)
            for name in names if turn % 2 else reversed(names):
                for kind, prompts in enumerate(((one, other), (one, one))):
                    wait = await _taking_turns(servers[name], prompts, number + 50 * kind)
                    waits[kind][name].append(wait)
            seconds.append(await _second_turn(servers["orfeon"], 3000 + turn))
    figures = [
        figure
        for (kind, target), found in zip(KINDS.items(), waits, strict=True)
        for figure in _figures(found, kind, target)
    ]
    second = Figure("second turn of 1,000 tokens : first", statistics.median(seconds), "x", 0.25,
                    at_least=False, note=spread(seconds))  # fmt: skip
    return [*figures, second]


def _figures(waits: Mapping[str, list[float]], kind: str, target: float | None) -> list[Figure]:
    ratios = [b / a for a, b in zip(waits["orfeon"], waits[PEER], strict=True)]
    return [
        *(
            Figure(f"first words, {kind}, {name}", statistics.median(waits[name]), "s")
            for name in waits
        ),
        Figure(f"{PEER} : Orfeón, {kind}", statistics.median(ratios), "x", target,
               note=spread(ratios)),
    ]  # fmt: skip
