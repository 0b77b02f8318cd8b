"""A conversation with a language model, as one session of a browser has it."""

from dataclasses import dataclass

from openai.types.chat import ChatCompletionContentPartParam, ChatCompletionMessageParam

from services.studio.pictures import Picture
from services.studio.work import Work

#: Each is sent again with every question.
MOST_PICTURES = 4


@dataclass(slots=True)
class Exchange:
    """A question and its answer, as far as it has come.

    `note` is a sentence on what became of the answer, where that has to be said.
    """

    question: str
    pictures: tuple[Picture, ...] = ()
    answer: str = ""
    note: str = ""
    done: bool = False


class Conversation:
    """What was said, what is being worked on, and pictures to go with the next question."""

    def __init__(self) -> None:
        self.exchanges: list[Exchange] = []
        self.pictures: list[Picture] = []
        self.work = Work()

    def ask(self, question: str) -> Exchange:
        """A new question, with the pictures that wait for one."""
        exchange = Exchange(question, tuple(self.pictures))
        self.pictures.clear()
        self.exchanges.append(exchange)
        return exchange

    def again(self) -> Exchange:
        """The last question anew. Raises `IndexError` where nothing was asked."""
        last = self.exchanges.pop()
        exchange = Exchange(last.question, last.pictures)
        self.exchanges.append(exchange)
        return exchange

    def messages(self, instructions: str) -> list[ChatCompletionMessageParam]:
        """What the model is told for the last question: questions without an answer are left out,
        since many models want the two to take turns.
        """
        told: list[ChatCompletionMessageParam] = []
        if instructions.strip():
            told.append({"role": "system", "content": instructions})
        for exchange in self.exchanges[:-1]:
            if exchange.answer:
                told.append({"role": "user", "content": _content(exchange)})
                told.append({"role": "assistant", "content": exchange.answer})
        told.append({"role": "user", "content": _content(self.exchanges[-1])})
        return told

    @property
    def room(self) -> int:
        """How many more pictures it takes."""
        held = sum(len(exchange.pictures) for exchange in self.exchanges)
        return MOST_PICTURES - held - len(self.pictures)


def _content(exchange: Exchange) -> str | list[ChatCompletionContentPartParam]:
    if not exchange.pictures:
        return exchange.question
    parts: list[ChatCompletionContentPartParam] = [
        {"type": "image_url", "image_url": {"url": picture.url}} for picture in exchange.pictures
    ]
    parts.append({"type": "text", "text": exchange.question})
    return parts
