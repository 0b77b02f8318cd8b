"""What a request may choose of a model: its voices and its languages."""

from services.runtime.errors import InvalidRequest
from services.runtime.manifest import Manifest

#: Up to this many names, an error lists all of them.
_FEW = 12


def voice_of(manifest: Manifest, name: str) -> str:
    """The model's voice called `name`, or with that alias; '' is its first.

    Aliases stand in the option `voice_aliases`. Raises `InvalidRequest`.
    """
    if not name:
        return manifest.voices[0]
    aliases: dict[str, str] = manifest.options.get("voice_aliases", {})
    voice = name if name in manifest.voices else aliases.get(name)
    if voice is None:
        raise InvalidRequest(
            f"The model '{manifest.name}' has no voice {name[:40]!r}; use one of "
            f"{', '.join([*manifest.voices, *aliases])}.",
            param="voice",
        )
    return voice


def language_of(manifest: Manifest, name: str) -> str | None:
    """The language code `name` in the model's spelling; None for '': the model finds out.

    Raises `InvalidRequest`.
    """
    code = name.strip().lower()
    if not code:
        return None
    if code not in manifest.languages:
        few = len(manifest.languages) <= _FEW
        known = ", ".join(manifest.languages) if few else "an ISO 639-1 code such as en, es or fr"
        raise InvalidRequest(
            f"The model '{manifest.name}' does not know the language {name[:40]!r}; use {known}, "
            "or leave the field out.",
            param="language",
        )
    return code
