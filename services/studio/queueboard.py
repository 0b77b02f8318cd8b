"""What runs and what waits, as the page of the queue shows it."""

from collections.abc import Sequence

from orfeon import Job, QueueEntry
from services.studio.markup import block, text
from services.studio.spans import moment, span
from services.studio.tables import table
from services.studio.texts import Texts, sentences

_COLUMNS = ("what", "state", "place", "expected", "since", "priority")


def board(requests: Sequence[QueueEntry], jobs: Sequence[Job], t: Texts) -> str:
    """Requests, running and waiting, then songs, the newest first."""
    running = [job for job in jobs if not job.ended]
    ended = [job for job in jobs if job.ended]
    return block(
        f"<h2>{t('queue.requests')}</h2>{_requests(requests, t)}"
        f"<h2>{t('queue.jobs')}</h2>{_jobs(running, t('queue.no_jobs'), t)}"
        + (f"<h2>{t('queue.ended')}</h2>{_jobs(ended, '', t)}" if ended else "")
    )


def _requests(requests: Sequence[QueueEntry], t: Texts) -> str:
    if not requests:
        return f"<p>{t('queue.no_requests')}</p>"
    # Keys are told to admins alone.
    columns = (*_COLUMNS, "key") if any(entry.key_id for entry in requests) else _COLUMNS
    heads = [t(f"queue.{name}") for name in columns]
    rows = [_row(entry, columns, t) for entry in requests]
    return table(t("queue.requests"), heads, rows)


def _row(entry: QueueEntry, columns: Sequence[str], t: Texts) -> list[str]:
    waits = entry.state == "queued"
    wait = entry.estimated_wait
    told = {
        "what": f"{_word('capability', entry.capability, t)}<small>{text(entry.model)}</small>",
        "state": t("queue.waiting" if waits else "queue.running"),
        "place": t("queue.nth", place=entry.position + 1) if waits else "",
        "expected": span(wait, t) if waits and wait is not None else "",
        "since": span(entry.seconds, t),
        "priority": _word("priority", str(entry.priority), t),
        "key": text(entry.key_id or ""),
    }
    return [told[name] for name in columns]


def _jobs(jobs: Sequence[Job], nothing: str, t: Texts) -> str:
    if not jobs:
        return f"<p>{nothing}</p>"
    return f'<ul class="jobs">{"".join(_job(job, t) for job in jobs)}</ul>'


def _job(job: Job, t: Texts) -> str:
    title = text(job.song.title or t("queue.untitled"))
    facts = [f'<b class="state {text(job.status)}">{_word("status", job.status, t)}</b>']
    if job.status == "queued" and job.queue_position is not None:
        facts.append(t("queue.nth", place=job.queue_position))
    if job.status == "in_progress":
        facts.append(_word("step", job.step, t))
    if not job.ended and job.estimated_seconds is not None:
        facts.append(t("queue.left", time=span(job.estimated_seconds, t)))
    facts.append(moment(job.created_at))
    return (
        f"<li><h3>{title}</h3><p>{' · '.join(facts)}</p>{_bar(job, title, t)}{_link(job, title, t)}"
        f"{_cancel(job, title, t)}</li>"
    )


def _bar(job: Job, title: str, t: Texts) -> str:
    if job.ended:
        return ""
    percent = round(100 * job.progress)
    return (
        f'<p class="progress"><progress max="100" value="{percent}" '
        f'aria-label="{t("queue.progress", title=title)}"></progress> {percent} %</p>'
    )


def _link(job: Job, title: str, t: Texts) -> str:
    if job.status in ("failed", "cancelled"):
        return ""
    named = t("queue.open_named", title=title)
    return (
        f'<a href="song?job={text(job.id)}" aria-label="{named}" data-id="{text(job.id)}" '
        f'data-act="open">{t("queue.open")}</a> '
    )


def _cancel(job: Job, title: str, t: Texts) -> str:
    if job.ended:
        return ""
    named = t("queue.cancel_named", title=title)
    return (
        f'<button data-act="cancel" data-id="{text(job.id)}" aria-label="{named}">'
        f"{t('queue.cancel')}</button>"
    )


def _word(kind: str, name: str, t: Texts) -> str:
    """A word of the gateway's in the language of the page, or as it is where we know none."""
    key = f"queue.{kind}_{name}"
    return t(key) if key in sentences() else text(name)
