"""Songs as HTML: how far one is, what came of it, and all that somebody has made."""

from collections.abc import Sequence
from datetime import UTC, datetime
from html import escape
from pathlib import PurePath

from orfeon.jobs import Artifact, Job
from services.studio.pianoroll import Track, drawn
from services.studio.studio import BASE
from services.studio.texts import Texts, sentences

_STEPS = ("emotion", "lyrics", "melody", "vocals", "mix")
#: Steps that have another name in the texts, where "lyrics" is the box of them.
_STEP_TEXTS = {"lyrics": "step_words"}
_FEELING, _TRACK = "feelings.", "song.track_"
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
    parts = [f"<h3>{escape(title_of(job, t))}</h3>", f"<p>{_facts(job, t)}</p>", _heard(job, t)]
    if job.status == "failed" and job.error is not None:
        parts.append(f"<p>{escape(_reason(job.error.code, job.error.message, t))}</p>")
    if not job.ended:
        parts += [_steps(job, t), _bar(job, t), f"<p>{_waiting(job, t)}</p>"]
    if words and job.status != "cancelled":
        parts.append(f'<p class="words">{escape(words)}</p>')
    return "".join(parts)


def result(job: Job, lines: Sequence[tuple[float, str]], tracks: Sequence[Track], t: Texts) -> str:
    """A finished song: player, lyrics with their times in seconds, notes, and all files."""
    title = escape(title_of(job, t))
    files = {file.name: file for file in job.artifacts}
    parts = ['<div class="record">']
    if "cover.png" in files:
        cover = escape(t("song.cover", title=title_of(job, t)))
        parts.append(f'<img src="{address(job, "cover.png")}" alt="{cover}" width="320">')
    player = escape(t("song.player", title=title_of(job, t)))
    parts.append(
        f"<div><h3>{title}</h3><p>{_facts(job, t)}</p>{_heard(job, t)}<audio controls "
        f'preload="metadata" src="{address(job, "song.mp3")}" aria-label="{player}"></audio>'
    )
    if "vocals.mp3" not in files:
        parts.append(f"<p>{t('song.no_voice')}</p>")
    parts.append("</div></div>")
    parts.append(_karaoke(lines, t))
    if tracks:
        parts.append(_notes(tracks, job.song.duration or 0.0, t))
    parts.append(_downloads(job, t))
    parts.append(
        f'<p><button class="again" type="button" data-again>{t("song.music_again")}</button></p>'
    )
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


def address(job: Job, name: str) -> str:
    """Where a browser fetches a file of a song."""
    return f"{BASE}/jobs/{escape(job.id)}/artifacts/{escape(name)}"


def _facts(job: Job, t: Texts) -> str:
    song = job.song
    facts = [called(song.genre, t)] if song.genre else []
    facts += [song.artist] if song.artist else []
    facts += [called(song.mood, t, _FEELING)] if song.mood else []
    facts += [_clock(song.duration)] if song.duration else []
    facts += [t("song.tempo", tempo=round(song.tempo))] if song.tempo else []
    if song.key:
        tonic, _, mode = song.key.partition(" ")
        facts.append(t(f"song.key_{mode}", tonic=tonic) if mode in ("major", "minor") else song.key)
    return escape(" · ".join(facts))


def _heard(job: Job, t: Texts) -> str:
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
            told.append(t("song.seconds_left", seconds=max(1, round(left))))
    return " · ".join(told)


def _reason(code: str, message: str, t: Texts) -> str:
    if (key := f"errors.code_{code}") in sentences():
        return t(key)
    return message if t.language == "en" else t("errors.unexpected")


def _karaoke(lines: Sequence[tuple[float, str]], t: Texts) -> str:
    if not lines:
        return ""
    rows = "".join(
        f'<li><button type="button" data-at="{start:.2f}">{escape(line)}</button></li>'
        for start, line in lines
    )
    return f'<ol class="karaoke" aria-label="{t("song.sing_along")}">{rows}</ol>'


def _notes(tracks: Sequence[Track], seconds: float, t: Texts) -> str:
    told = [_told(track, t) for track in tracks]
    ends = [note.end for track in tracks for note in track.notes]
    legend = "".join(
        f'<li class="track-{number}">{escape(one)}</li>' for number, one in enumerate(told)
    )
    picture = drawn(tracks, max([seconds, *ends]), t("song.roll", tracks="; ".join(told)))
    return f'<h4>{t("song.notes")}</h4>{picture}<ul class="legend">{legend}</ul>'


def _told(track: Track, t: Texts) -> str:
    name, count = called(track.name, t, _TRACK), len(track.notes)
    if track.drums:
        return t("song.track_hits", name=name, count=count)
    return t("song.track_notes", name=name, count=count, lowest=track.lowest, highest=track.highest)


def _downloads(job: Job, t: Texts) -> str:
    stem = title_of(job, t)
    rows = []
    for file in job.artifacts:
        name, suffix = PurePath(file.name).stem, PurePath(file.name).suffix
        saved = f"{stem}{suffix}" if name == "song" else f"{stem} - {name}{suffix}"
        rows.append(
            f'<li><a href="{address(job, file.name)}" download="{escape(saved)}">'
            f"{escape(_file(file, t))}</a> <span>{_size(file.bytes, t)}</span></li>"
        )
    return f'<h4>{t("song.downloads")}</h4><ul class="files">{"".join(rows)}</ul>'


def _file(file: Artifact, t: Texts) -> str:
    if file.name.startswith("stem-"):
        name = PurePath(file.name).stem.removeprefix("stem-")
        return t("song.file_stem", name=called(name, t, _TRACK))
    key = f"song.file_{file.name}"
    return t(key) if key in sentences() else file.name


def _size(count: int, t: Texts) -> str:
    if count < 1_000_000:
        return f"{max(1, round(count / 1000))} kB"
    size = f"{count / 1_000_000:.1f} MB"
    return size.replace(".", ",") if t.language == "es" else size


def _clock(seconds: float) -> str:
    minutes, rest = divmod(round(seconds), _MINUTE)
    return f"{minutes}:{rest:02d}"


def _time(moment: int) -> str:
    """A time, which the browser puts in its own zone."""
    when = datetime.fromtimestamp(moment, UTC)
    return f'<time datetime="{when:%Y-%m-%dT%H:%M:%SZ}">{when:%H:%M} UTC</time>'
