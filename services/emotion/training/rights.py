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


def rights_of(recordings: Sequence[Recording], base_name: str, base: Terms, said: Terms) -> Rights:
    """The rights in a model, made of a base and of recordings.

    Commercial use is ruled out by any part of it that rules it out, and stays unknown where one
    part is unknown. `said` is what the maker says; it cannot allow what a known part forbids, which
    raises `Misuse`.
    """
    corpora = _corpora(recordings)
    known = {name: CORPUS_TERMS.get(name, _UNSTATED) for name in sorted(corpora - {""})}
    data = [*known.values(), *([_UNSTATED] if "" in corpora else [])]
    parts = [base, *data]
    forbidden = next((name for name, terms in known.items() if terms.commercial_use is False), "")
    if base.commercial_use is False:
        forbidden = base_name
    if said.commercial_use and forbidden:
        raise Misuse(
            f"{forbidden} is not for commercial use, and neither is what is trained on it: leave "
            "--commercial-use away, or train on other data."
        )
    allowed = _together(parts)
    if said.commercial_use is not None:
        allowed = said.commercial_use
    return Rights(
        said.licence or _strictest(parts),
        allowed,
        _provenance(known, base_name, base, others="" in corpora),
    )


def _corpora(recordings: Sequence[Recording]) -> set[str]:
    """The corpora that they are of, by the names of their files; "" for others."""
    return {
        next((name for name, corpus in CORPORA.items() if corpus.recording(each.path)), "")
        for each in recordings
    }


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


def _provenance(known: dict[str, Terms], base_name: str, base: Terms, *, others: bool) -> str:
    data = [
        f"{CORPORA[name].title} ({'terms unstated' if terms is _UNSTATED else terms.licence})"
        for name, terms in known.items()
    ]
    own = ["recordings of the owner"] if others else []
    licence = base.licence if base.licence not in ("", "unknown") else "licence unknown"
    text = f"Base: {base_name} ({licence}). Trained on {', '.join(data + own)}."
    bound = any(terms.commercial_use is False for terms in known.values())
    return f"{text} That data makes it non-commercial." if bound else text
