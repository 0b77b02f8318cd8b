"""What a request may ask of a model: texts, voices, paces, languages, styles."""

import re

from services.runtime.errors import InvalidRequest
from services.runtime.manifest import Manifest
from services.speech.engine import SpeechRequest

MAX_CHARACTERS = 4096
MIN_SPEED, MAX_SPEED = 0.25, 4.0
MAX_PROMPT_CHARACTERS = 4096

#: Up to so many languages, or voices with their aliases, an error lists all of them.
_FEW_LANGUAGES, _FEW_VOICES = 12, 24

#: What Bark calls its voices, by language and number.
_PRESET = re.compile(r"(?:.*/)?([a-z]{2})_speaker_\d")


def speech_request(manifest: Manifest, text: str, voice: str, speed: float) -> SpeechRequest:
    """A text to speak, with a voice by name or alias. Raises `InvalidRequest` naming the field."""
    if not 1 <= len(text) <= MAX_CHARACTERS:
        raise InvalidRequest(
            f"input must have 1 to {MAX_CHARACTERS} characters; it has {len(text)}.",
            param="input",
        )
    # `not (a <= x <= b)`, here and below: NaN fails every comparison.
    if not (MIN_SPEED <= speed <= MAX_SPEED):
        raise InvalidRequest(f"speed must be between {MIN_SPEED} and {MAX_SPEED}.", param="speed")
    return SpeechRequest(text, voice_of(manifest, voice), speed)


def check_style(prompt: str, temperature: float | None) -> None:
    """Raises `InvalidRequest` naming the field at fault of a transcription."""
    if temperature is not None and not (0.0 <= temperature <= 1.0):
        raise InvalidRequest("temperature must be between 0 and 1.", param="temperature")
    if len(prompt) > MAX_PROMPT_CHARACTERS:
        raise InvalidRequest(
            f"prompt must have at most {MAX_PROMPT_CHARACTERS} characters.", param="prompt"
        )


def voice_of(manifest: Manifest, name: str) -> str:
    """The model's voice called `name`, or with that alias; '' is its first.

    Aliases stand in the option `voice_aliases`. Raises `InvalidRequest`.
    """
    if not name:
        return manifest.voices[0]
    aliases: dict[str, str] = manifest.options.get("voice_aliases", {})
    voice = name if name in manifest.voices else aliases.get(name)
    if voice is None:
        names = [*manifest.voices, *aliases]
        known = ", ".join(names[:_FEW_VOICES])
        if len(names) > _FEW_VOICES:
            known = f"those that GET /v1/audio/voices lists, such as {names[0]}"
        raise InvalidRequest(
            f"The model '{manifest.name}' has no voice {name[:40]!r}; use one of {known}.",
            param="voice",
        )
    return voice


def language_of_voice(manifest: Manifest, voice: str) -> str:
    """The language that a voice of the model speaks: what its name says, else the model's first."""
    preset = _PRESET.fullmatch(voice)
    if preset is not None and preset[1] in manifest.languages:
        return preset[1]
    return manifest.languages[0]


def language_of(manifest: Manifest, name: str) -> str | None:
    """The language code `name` in the model's spelling; None for '': the model finds out.

    Raises `InvalidRequest`.
    """
    code = name.strip().lower()
    if not code:
        return None
    if code not in manifest.languages:
        few = len(manifest.languages) <= _FEW_LANGUAGES
        known = ", ".join(manifest.languages) if few else "an ISO 639-1 code such as en, es or fr"
        raise InvalidRequest(
            f"The model '{manifest.name}' does not know the language {name[:40]!r}; use {known}, "
            "or leave the field out.",
            param="language",
        )
    return code
