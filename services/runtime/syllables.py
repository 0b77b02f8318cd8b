"""How many syllables a line has, by rules of spelling: English and Spanish, the rest roughly.

Why no library: docs/decisions/. Vowels of neighbouring words are not run together, as a singer may.
"""

import re
import unicodedata
from collections.abc import Callable

_WORD = re.compile(r"[^\W\d_]+(?:['’][^\W\d_]+)*")
#: Letters that are about a syllable each: kana, Chinese characters, Hangul, Cyrillic vowels.
_SYLLABIC = re.compile(r"[\u3040-\u30ff\u3400-\u9fff\uac00-\ud7afаеёиоуыэюяіїє]")
_VOWELS = re.compile("[aeiouyæœøαεηιουω]+")

#: Frequent English words that the rules below get wrong.
_ENGLISH = {
    word: count
    for count, words in {
        1: "whose once tongue tongues plague fire hour hours our ours isle isles guide george "
        "o'er e'er ne'er e'en",
        2: "people poem poems poet poets quiet being dying lying flying trying crying going doing "
        "seeing lion ruin ruins cruel fuel dial trial giant science diet business evening every "
        "hundred sacred naked wicked wretched ragged rugged crooked hatred idly isn't aren't "
        "wasn't doesn't didn't couldn't wouldn't shouldn't hadn't haven't hasn't chaos friday "
        "farewell therefore wherefore forehead marriage carriage diamond diamonds household "
        "monday sunday colonel truest wholesome safety",
        3: "idea ideas area areas period radio video realize violet violence happier happiest "
        "poetry piety element audience influence created creation fiery theatre",
        4: "reality experience variety society",
    }.items()
    for word in words.split()
}
_SILENT_E = re.compile(r"(?<=[^aeiouy])e(?=(?:ly|less|ful|ment|ness|thing|times?|where|one)$)")
_APART = re.compile(
    r"ia(?!l$|n$|l)|(?<=[dnrbv])ia|(?<=[bdlnrv])iou|eo(?!u|n$)|io(?!u|n)|[aeiou]y?ing$|"
    r"(?<![gq])ua(?!r)|iu|y[ao]|uou|(?<=[aeiouy][^aeiouy])sm$|[^aeiouy]sm$"
)


def syllables(line: str, language: str) -> int:
    """Syllables in a line of text. `language` is BCP 47."""
    rule = _RULES.get(language.partition("-")[0].lower(), _any)
    words = _WORD.findall(unicodedata.normalize("NFC", line.lower()))
    return sum(rule(word.replace("’", "'")) for word in words)


def _english(word: str) -> int:
    if word in _ENGLISH:
        return _ENGLISH[word]
    stem = re.sub(r"'(?:s|d|ll|m|re|ve|t|em)?$", "", word)
    added = 1 if re.search(r"(?:[sxz]|[cs]h|[cg]e)'s$", word) else 0
    stem = re.sub(r"qu", "q", re.sub(r"^y(?=[aeiou])", "j", stem))
    stem = _SILENT_E.sub("", stem)
    count = len(_VOWELS.findall(stem)) + len(_APART.findall(stem))
    return max(1, count - _silent_ending(stem, count) + added)


def _silent_ending(stem: str, count: int) -> int:
    """1 where the vowel of the last syllable is written and not said."""
    if count < 2:
        return 0
    silent = (
        r"[^aeiouyl]e$|[aeiouyrl]le$|[gq]ue$|"
        r"(?<![cgsxz])(?<![cs]h)(?<![^aeiouy]l)(?<=[^aeiouy])es$|[gq]ues$|"
        r"(?<![^aeiouyrl]l)(?<=[^aeiouytd])ed$"
    )
    return 1 if re.search(silent, stem) else 0


def _spanish(word: str) -> int:
    stem = re.sub(r"(?<=q)u|(?<=g)u(?=[eiéí])", "", word)
    stem = re.sub(r"y$", "i", stem)
    groups = re.findall(r"[aeiouáéíóúü]+", stem)
    # Two strong vowels, or a weak one with an accent beside a strong one, are apart.
    apart = sum(
        len(re.findall(r"(?=[aeoáéó][aeoáéó]|[aeoáéó][íú]|[íú][aeoáéó])", group))
        for group in groups
    )
    return max(1, len(groups) + apart)


def _any(word: str) -> int:
    syllabic = len(_SYLLABIC.findall(word))
    bare = "".join(c for c in unicodedata.normalize("NFD", word) if not unicodedata.combining(c))
    return max(1, syllabic + len(_VOWELS.findall(bare)))


_RULES: dict[str, Callable[[str], int]] = {"en": _english, "es": _spanish}
