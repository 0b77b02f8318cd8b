"""What may be done with a model: what follows from its data, its base, and what its maker says."""

from collections.abc import Sequence
from dataclasses import dataclass

from services.emotion.corpora import CORPORA, Recording
from services.emotion.training.errors import Misuse


@dataclass(frozen=True, slots=True)
class Terms:
    """A licence, and whether it allows commercial use; None where nobody has said."""

    licence: str
    commercial_use: bool | None


#: Of the corpora that we know by their file names, as their publishers state them.
CORPUS_TERMS = {
    "ravdess": Terms("CC-BY-NC-SA-4.0", False),
    "crema-d": Terms("ODbL-1.0", True),
    "tess": Terms("CC-BY-NC-ND-4.0", False),
    "mesd": Terms("CC-BY-4.0", True),
}
_UNSTATED = Terms("unknown", None)


@dataclass(frozen=True, slots=True)
class Rights:
    """What `model.yaml` and the model card say of licence and origin."""

    licence: str
    commercial_use: bool | None
    provenance: str


def rights_of(
    recordings: Sequence[Recording], base_name: str, base: Terms, said: Terms | None
) -> Rights:
    """The rights in a model, made of a base and of recordings.

    Commercial use is ruled out by any part of it that rules it out, and stays unknown where one
    part is unknown. `said` is what the maker says; it cannot allow what a known part forbids, which
    raises `Misuse`.
    """
    known = {name: CORPUS_TERMS.get(name, _UNSTATED) for name in _corpora(recordings)}
    data = list(known.values()) or [_UNSTATED]
    parts = [base, *data]
    forbidden = next((name for name, terms in known.items() if terms.commercial_use is False), "")
    if base.commercial_use is False:
        forbidden = base_name
    if said is not None and said.commercial_use and forbidden:
        raise Misuse(
            f"{forbidden} is not for commercial use, and neither is what is trained on it: leave "
            "--commercial-use away, or train on other data."
        )
    allowed = _together(parts)
    if said is not None and said.commercial_use is not None:
        allowed = said.commercial_use
    return Rights(
        said.licence if said is not None and said.licence else _strictest(parts),
        allowed,
        _provenance(known, base_name, base),
    )


def _corpora(recordings: Sequence[Recording]) -> list[str]:
    """The known corpora among them, whose speakers are called after them."""
    return sorted({each.speaker.partition("/")[0] for each in recordings} & CORPORA.keys())


def _together(parts: Sequence[Terms]) -> bool | None:
    if any(each.commercial_use is False for each in parts):
        return False
    return True if all(each.commercial_use for each in parts) else None


def _strictest(parts: Sequence[Terms]) -> str:
    for each in parts:
        if each.commercial_use is False:
            return each.licence
    licences = {each.licence or "unknown" for each in parts}
    return licences.pop() if len(licences) == 1 else "unknown"


def _provenance(known: dict[str, Terms], base_name: str, base: Terms) -> str:
    data = ", ".join(
        f"{CORPORA[name].title} ({'terms unstated' if terms is _UNSTATED else terms.licence})"
        for name, terms in known.items()
    )
    licence = base.licence if base.licence not in ("", "unknown") else "licence unknown"
    text = f"Base: {base_name} ({licence}). Trained on {data or 'recordings of the owner'}."
    bound = [terms.licence for terms in known.values() if terms.commercial_use is False]
    return f"{text} That data makes it non-commercial." if bound else text
