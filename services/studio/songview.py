"""Songs as HTML: how far one is, and all that somebody has made."""

from collections.abc import Sequence
from datetime import UTC, datetime
from html import escape

from orfeon.jobs import Job
from services.studio.texts import Texts, sentences

_STEPS = ("emotion", "lyrics", "melody", "vocals", "mix")
#: Steps that have another name in the texts, where "lyrics" is the box of them.
_STEP_TEXTS = {"lyrics": "step_words"}
_FEELING = "feelings."
_MINUTE = 60


def called(name: str, t: Texts, kind: str = "song.genre_") -> str:
    """What a genre is called, or another `kind` of texts; one that has none, by its own name."""
    key = f"{kind}{name}"
    return t(key) if key in sentences() else name.replace("-", " ").capitalize()


def title_of(job: Job, t: Texts) -> str:
    """The song's title, or that it has none."""
    return job.song.title or t("song.untitled")


def says(job: Job, t: Texts) -> str:
    """One sentence of what becomes of it now."""
    return t(f"song.says_{job.step if job.status == 'in_progress' else job.status}")


def progress(job: Job, words: str, t: Texts) -> str:
    """How far a song is that is not finished; `words` are its lyrics, once they are known."""
    parts = [f"<h3>{escape(title_of(job, t))}</h3>", f"<p>{facts(job, t)}</p>", heard(job, t)]
    if job.status == "failed" and job.error is not None:
        parts.append(f"<p>{escape(_reason(job.error.code, job.error.message, t))}</p>")
    if not job.ended:
        parts += [_steps(job, t), _bar(job, t), f"<p>{_waiting(job, t)}</p>"]
    if words and job.status != "cancelled":
        parts.append(f'<p class="words">{escape(words)}</p>')
    return "".join(parts)


def history(jobs: Sequence[Job], t: Texts) -> str:
    """Songs as links, the newest first."""
    if not jobs:
        return f"<p>{t('song.history_empty')}</p>"
    rows = "".join(
        f'<li><a href="?job={escape(job.id)}" data-open="{escape(job.id)}">'
        f"<strong>{escape(title_of(job, t))}</strong> "
        f"<span>{escape(called(job.song.genre, t))} · {_time(job.created_at)} · "
        f"{t(f'song.status_{job.status}')}</span></a></li>"
        for job in jobs
    )
    return f"<ul>{rows}</ul>"


def facts(job: Job, t: Texts) -> str:
    """What is known of it, in a line of HTML."""
    song = job.song
    known = [called(song.genre, t)] if song.genre else []
    known += [song.artist] if song.artist else []
    known += [called(song.mood, t, _FEELING)] if song.mood else []
    known += [_clock(song.duration)] if song.duration else []
    known += [t("song.tempo", tempo=round(song.tempo))] if song.tempo else []
    if song.key:
        tonic, _, mode = song.key.partition(" ")
        known.append(t(f"song.key_{mode}", tonic=tonic) if mode in ("major", "minor") else song.key)
    return escape(" · ".join(known))


def heard(job: Job, t: Texts) -> str:
    """The mood that was heard in a voice, as a paragraph; nothing where there was none."""
    song = job.song
    if not song.mood or song.mood_probability is None:
        return ""
    mood, share = called(song.mood, t, _FEELING), round(100 * song.mood_probability)
    return f"<p>{escape(t('song.heard', mood=mood, share=share))}</p>"


def _steps(job: Job, t: Texts) -> str:
    hears = job.step == "emotion" or job.song.mood_probability is not None
    silent = job.step == "mix" and all(file.name != "vocals.mp3" for file in job.artifacts)
    steps = [s for s in _STEPS if (s != "emotion" or hears) and (s != "vocals" or not silent)]
    now = steps.index(job.step) if job.status == "in_progress" and job.step in steps else -1
    rows = []
    for at, step in enumerate(steps):
        state = "done" if at < now else "now" if at == now else "later"
        current = ' aria-current="step"' if at == now else ""
        name = t(f"song.{_STEP_TEXTS.get(step, f'step_{step}')}")
        rows.append(f'<li class="{state}"{current}>{name}</li>')
    return f'<ol class="steps">{"".join(rows)}</ol>'


def _bar(job: Job, t: Texts) -> str:
    return (
        f'<progress max="1" value="{job.progress:.3f}" aria-label="{t("song.progress")}">'
        f"{job.progress:.0%}</progress>"
    )


def _waiting(job: Job, t: Texts) -> str:
    told = []
    if job.queue_position is not None:
        told.append(t("song.place", place=job.queue_position))
    if (left := job.estimated_seconds) is not None:
        minutes = round(left / _MINUTE)
        # Nobody believes a second more or less of a long time.
        if minutes >= 2:
            told.append(t("song.minutes_left", minutes=minutes))
        else:
            # The sentence has no word for a single one.
            told.append(t("song.seconds_left", seconds=max(2, round(left))))
    return " · ".join(told)


def _reason(code: str, message: str, t: Texts) -> str:
    if (key := f"errors.code_{code}") in sentences():
        return t(key)
    return message if t.language == "en" else t("errors.unexpected")


def _clock(seconds: float) -> str:
    minutes, rest = divmod(round(seconds), _MINUTE)
    return f"{minutes}:{rest:02d}"


def _time(moment: int) -> str:
    """A time, which the browser puts in its own zone."""
    when = datetime.fromtimestamp(moment, UTC)
    return f'<time datetime="{when:%Y-%m-%dT%H:%M:%SZ}">{when:%H:%M} UTC</time>'
