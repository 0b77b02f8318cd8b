"""A finished song as HTML: its player, its lyrics with their times, its notes, and all files."""

from collections.abc import Sequence
from html import escape
from pathlib import PurePath

from orfeon.jobs import Artifact, Job
from services.studio.pianoroll import Track, drawn
from services.studio.songview import called, facts, heard, title_of
from services.studio.studio import BASE
from services.studio.texts import Texts, sentences

_TRACK = "song.track_"


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
        f"<div><h3>{title}</h3><p>{facts(job, t)}</p>{heard(job, t)}<audio controls "
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


def address(job: Job, name: str) -> str:
    """Where a browser fetches a file of a song."""
    return f"{BASE}/jobs/{escape(job.id)}/artifacts/{escape(name)}"


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
