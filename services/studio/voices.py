"""The voices for speech, as one chooses among them."""

import json
from collections.abc import Iterable, Sequence

from orfeon import Voice
from services.studio.languages import language_name
from services.studio.texts import Texts


def voice_choices(
    voices: Iterable[Voice], model: str | None, t: Texts
) -> Sequence[tuple[str, str]]:
    """Names and values of the voices, of one model or of all; the page's language comes first."""
    offered = [voice for voice in voices if model in (None, "", voice.model)]
    offered.sort(key=lambda voice: (_rank(voice, t), voice.model))
    ids = [voice.id for voice in offered]
    return [
        (_label(voice, t, with_model=ids.count(voice.id) > 1), value_of(voice)) for voice in offered
    ]


def voice_models(voices: Iterable[Voice]) -> Sequence[str]:
    """The models that have voices, by name."""
    return sorted({voice.model for voice in voices})


def value_of(voice: Voice) -> str:
    """A voice in one word: two models may call theirs the same."""
    return json.dumps([voice.model, voice.id])


def voice_of(value: str) -> tuple[str, str]:
    """The model and the voice of such a word. Raises `ValueError` for any other."""
    match json.loads(value):
        case [str(model), str(id)]:
            return model, id
    raise ValueError("this is no voice")


def _rank(voice: Voice, t: Texts) -> tuple[bool, str, str]:
    foreign = voice.language.partition("-")[0].lower() != t.language
    return foreign, language_name(voice.language, t).casefold(), voice.id.casefold()


def _label(voice: Voice, t: Texts, *, with_model: bool) -> str:
    parts = [voice.id]
    if voice.language:
        parts.append(language_name(voice.language, t))
    if with_model:
        parts.append(voice.model)
    return " · ".join(parts)
