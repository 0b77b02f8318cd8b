"""The models, as the page of models shows them: a table, and on a phone a card for each."""

from collections.abc import Sequence

from orfeon import Model
from services.studio.markup import block, text
from services.studio.spans import moment, size
from services.studio.tables import table
from services.studio.texts import Texts, sentences

_COLUMNS = ("model", "does", "state", "memory", "device", "pinned", "licence", "since")
_BUSY = ("waiting", "loading", "unloading")


def board(models: Sequence[Model], manages: bool, t: Texts) -> str:
    """All models; with buttons for those who `manages`, for others a sentence."""
    if not models:
        return block(f"<p>{t('models.none')}</p>")
    columns = (*_COLUMNS, "actions") if manages else _COLUMNS
    heads = [t(f"models.{name}") for name in columns]
    bases = {model.id: model for model in models}
    rows = [_row(model, bases.get(model.base or ""), columns, t) for model in models]
    used = sum(model.resident_bytes for model in models)
    loaded = sum(model.state == "loaded" for model in models)
    sentence = "" if manages else f"<p>{t('models.no_admin')}</p>"
    return block(
        f'<div data-manages="{str(manages).lower()}"><p>'
        f"{t('models.sum', loaded=loaded, all=len(models), memory=size(used, t))}</p>{sentence}"
        f"{table(t('models.caption'), heads, rows)}</div>"
    )


def said(action: str, model: Model, t: Texts) -> str:
    """What is told once a button has done what it says."""
    return t(f"models.done_{action}", model=text(model.id))


def _row(model: Model, base: Model | None, columns: Sequence[str], t: Texts) -> list[str]:
    told = {
        "model": _name(model, t),
        "does": ", ".join(_word("task", task, t) for task in model.tasks),
        "state": _state(model, t),
        "memory": _memory(model, base, t),
        "device": _device(model, t),
        "pinned": t("models.yes") if model.pinned else t("models.no"),
        "licence": _licence(model, t),
        "since": moment(model.loaded_at) if model.loaded_at else "",
        "actions": _buttons(model, t),
    }
    return [told[name] for name in columns]


def _name(model: Model, t: Texts) -> str:
    also = [text(alias) for alias in model.aliases]
    if model.default:
        also.append(t("models.default"))
    small = f"<small>{', '.join(also)}</small>" if also else ""
    return f"{text(model.id)}{small}"


def _state(model: Model, t: Texts) -> str:
    word = f'<b class="state {text(model.state)}">{_word("state", model.state, t)}</b>'
    if model.progress is not None:
        percent = round(100 * model.progress)
        named = t("models.progress", model=text(model.id))
        return (
            f'{word} <progress max="100" value="{percent}" aria-label="{named}"></progress>'
            f" {percent} %"
        )
    if model.in_use:
        return f"{word} <small>{t('models.in_use', count=model.in_use)}</small>"
    return word


def _memory(model: Model, base: Model | None, t: Texts) -> str:
    if base is not None:
        return t("models.shared", base=text(base.id))
    return size(model.resident_bytes, t) if model.resident_bytes else ""


def _device(model: Model, t: Texts) -> str:
    if not model.device:
        return ""
    return t("models.cpu") if model.device == "cpu" else text(model.device)


def _licence(model: Model, t: Texts) -> str:
    named = text(model.licence or t("models.unknown_licence"))
    if model.commercial_use is False:
        return f"{named}<small>{t('models.not_commercial')}</small>"
    return named


def _buttons(model: Model, t: Texts) -> str:
    if model.base is not None:
        # It is in memory with the model whose weights it shares.
        return ""
    loaded = model.state == "loaded"
    actions = ("unload" if loaded else "load", "unpin" if model.pinned else "pin")
    # Not `disabled`: that would take the focus away from whoever has just pressed it.
    off = ' aria-disabled="true" data-busy' if model.state in _BUSY else ""
    return "".join(
        f'<button data-act="{action}" data-id="{text(model.id)}"{off} '
        f'aria-label="{t(f"models.{action}_named", model=text(model.id))}">'
        f"{t(f'models.{action}')}</button>"
        for action in actions
    )


def _word(kind: str, name: str, t: Texts) -> str:
    """A word of the gateway's in the language of the page, or as it is where we know none."""
    key = f"models.{kind}_{name}"
    return t(key) if key in sentences() else text(name)
