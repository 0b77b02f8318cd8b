"""Whether lines rhyme, by their spelling: enough to prefer one line to another."""

import re
import unicodedata

from services.lyrics.repetition import words

#: Spellings of the same end, in English: made equal before ends are compared.
_SAME = (
    (r"(?:igh|y|ei)t(?:e)?$|ite$", "ite"),
    (r"(?:[ae]igh|ay|ey)$", "ay"),
    (r"(?:ee|ea|ie)$", "ee"),
    (r"(?:ough|ow|oe)$", "oe"),
    (r"(?:ew|ue|oo)$", "oo"),
    (r"(?:air|are|ear|ere)$", "are"),
    (r"(?:aught|ought)$", "ought"),
    (r"(?:ain|ane|eign)$", "ane"),
    (r"(?:ead|ed)$", "ed"),
    (r"(?:eel|eal)$", "eel"),
)  # fmt: skip
_END = re.compile(r"[aeiouy]+[^aeiouy]*e?$|[aeiouy]+[^aeiouy]*$")


def rhymes(one: str, other: str) -> bool:
    """Whether two lines end alike, and not on the same word."""
    ends = [words(line)[-1:] for line in (one, other)]
    if not all(ends) or ends[0] == ends[1]:
        return False
    sounds = [_sound(end[0]) for end in ends]
    return bool(sounds[0]) and sounds[0] == sounds[1]


def _sound(word: str) -> str:
    bare = "".join(c for c in unicodedata.normalize("NFD", word) if not unicodedata.combining(c))
    for spelling, same in _SAME:
        if re.search(spelling, bare):
            return same
    found = _END.search(bare)
    return found.group() if found else ""
