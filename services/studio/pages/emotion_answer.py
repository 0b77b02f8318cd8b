"""What the voice in a recording tells, as a ranked list with bars."""

from collections.abc import Sequence

from orfeon.voices import Classification, LabelScore
from services.studio.feelings import feeling
from services.studio.markup import block, text
from services.studio.texts import Texts

#: Below this the best label is more likely wrong than right.
_SURE = 0.5


def shown(answer: Classification, t: Texts) -> str:
    """The answer, as HTML: a sentence, and every label with a bar and its percent."""
    if answer.best is None:
        return block(
            f'<div class="emotion-answer"><p class="emotion-headline" role="status">'
            f"{t('emotion.nobody')}</p><p>{t('emotion.nobody_hint')}</p></div>"
        )
    rows = "".join(_row(each, t) for each in answer.labels)
    instead = ""
    if answer.fallback_for is not None:
        instead = f"<p>{t('emotion.fallback', name=text(answer.fallback_for))}</p>"
    return block(f"""
        <div class="emotion-answer"><p class="emotion-headline" role="status">
        {headline(answer.labels or (answer.best,), t)}</p>
        <ol class="emotion-bars" aria-label="{t("emotion.ranking")}">{rows}</ol>
        <p class="emotion-hint">{_meaning(answer.best.score, t)}</p>{instead}</div>""")


def headline(labels: Sequence[LabelScore], t: Texts) -> str:
    """The best of ranked labels in a sentence; the best two where it is hard to tell."""
    first, *others = labels
    name = feeling(first.label, t).name
    if first.score < _SURE and others:
        return t("emotion.unsure", first=name, second=feeling(others[0].label, t).name)
    return t("emotion.likely", name=name, percent=text(percent(first.score)))


def percent(score: float) -> str:
    """A probability as people write it; no answer is ever quite sure."""
    return f"{min(round(100 * score), 99)} %" if score >= 0.01 else "< 1 %"


def _row(one: LabelScore, t: Texts) -> str:
    kind = feeling(one.label, t)
    return (
        f'<li><span class="emotion-name">{kind.name}</span>'
        f'<span class="emotion-bar" aria-hidden="true"><span class="feeling" '
        f'style="{kind.style};width:{100 * one.score:.1f}%"></span></span>'
        f'<span class="emotion-percent">{text(percent(one.score))}</span></li>'
    )


def _meaning(score: float, t: Texts) -> str:
    tenths = round(10 * score)
    return t("emotion.calibrated_most") if tenths >= 10 else t("emotion.calibrated", n=tenths)
