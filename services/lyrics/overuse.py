"""Words that a song has had enough of: small models cling to a few."""

from collections import Counter
from collections.abc import Sequence

from services.lyrics.prompt import middle
from services.lyrics.repetition import words
from services.runtime.llama.generation import LanguageModel

#: Shorter words are what sentences are made of; nobody hears them again.
_SHORTEST = 4
#: What each time beyond the first takes from a word's logit, and all of them at most.
_EACH, _MOST = 1.5, 6.0


def bias(model: LanguageModel, lines: Sequence[str]) -> tuple[tuple[int, float], ...]:
    """A logit bias against words that `lines` have more than once. Blocking.

    Only for words that are a token: the first token of others may begin anything.
    """
    said = Counter(word for line in lines for word in set(words(line)) if len(word) >= _SHORTEST)
    found: dict[int, float] = {}
    for word, times in said.items():
        for form in (word, word.capitalize()) if times > 1 else ():
            tokens = middle(model, f" {form}")
            if len(tokens) == 1:
                found[tokens[0]] = -min(_MOST, _EACH * (times - 1))
    return tuple(found.items())
