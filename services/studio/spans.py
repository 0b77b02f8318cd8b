"""Times and sizes, as people say them."""

from datetime import UTC, datetime

from services.studio.texts import Texts

_MINUTE, _HOUR, _DAY = 60, 3_600, 86_400
_KILO = 1_000


def span(seconds: float, t: Texts) -> str:
    """How long something takes, in its largest unit: `8 s`, `3 min`, `2 h`, `4 days`."""
    for unit, key in ((_DAY, "days"), (_HOUR, "hours"), (_MINUTE, "minutes")):
        if seconds >= 2 * unit:
            return t(f"spans.{key}", count=round(seconds / unit))
    return t("spans.seconds", count=max(0, round(seconds)))


def size(count: int, t: Texts) -> str:
    """So many bytes: `80 MB`, `1.2 GB`."""
    number, unit = count / _KILO**2, "MB"
    if number >= _KILO:
        number, unit = number / _KILO, "GB"
    shown = f"{number:.1f}" if unit == "GB" else f"{number:.0f}"
    return f"{shown.replace('.', t('spans.point'))} {unit}"


def moment(seconds: int) -> str:
    """A time of Unix seconds, as an element that the browser writes in its own zone."""
    told = datetime.fromtimestamp(seconds, UTC)
    return f'<time datetime="{told.isoformat()}">{told:%Y-%m-%d %H:%M} UTC</time>'
