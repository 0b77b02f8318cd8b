"""What spoken languages are called in the language of a page."""

from collections.abc import Sequence

from services.studio.texts import Texts, sentences

_PREFIX = "languages."


def language_name(tag: str, t: Texts) -> str:
    """The name of a language by its tag, such as `en` or `en-US`; the tag where we have none."""
    code, _, region = tag.partition("-")
    key = f"{_PREFIX}{code.lower()}"
    if key not in sentences():
        return tag
    name = t(key)
    return f"{name} ({region})" if region else name


def name_from_english(english: str, t: Texts) -> str:
    """The name of a language that the gateway calls by an English word, such as `spanish`."""
    for key, names in sentences().items():
        if key.startswith(_PREFIX) and names["en"].lower() == english:
            return names[t.language]
    return english


def language_choices(t: Texts) -> Sequence[tuple[str, str]]:
    """Names and codes of all languages that can be written down, by name; the page's own first."""
    codes = [key.removeprefix(_PREFIX) for key in sentences() if key.startswith(_PREFIX)]
    codes.sort(key=lambda code: (code != t.language, t(_PREFIX + code).casefold()))
    # Spanish writes them small, but what begins a line begins large.
    names = [t(_PREFIX + code) for code in codes]
    return [(name[0].upper() + name[1:], code) for name, code in zip(names, codes, strict=True)]
