"""What the page `transcribe` shows: what was said, coloured by what the voice tells."""

import base64
from collections import defaultdict
from collections.abc import Iterable, Sequence

from services.studio import subtitles
from services.studio.feelings import feeling
from services.studio.languages import name_from_english
from services.studio.markup import block, text
from services.studio.subtitles import Said, clock
from services.studio.texts import Texts
from services.studio.transcribing import Transcript, Wish

_FILES = {
    "txt": ("text/plain", subtitles.plain),
    "srt": ("application/x-subrip", subtitles.srt),
    "vtt": ("text/vtt", subtitles.vtt),
}


def progress(transcript: Transcript, t: Texts) -> str:
    """How far it is."""
    if not transcript.segments:
        return t("transcribe.waiting")
    return t("transcribe.listening", time=clock(transcript.segments[-1].end))


def outcome(transcript: Transcript, wish: Wish, t: Texts) -> str:
    """What has come of it, in a sentence. One who stopped it gets less than the whole."""
    if not transcript.done:
        return t("transcribe.cancelled")
    if not transcript.segments:
        return t("transcribe.silent")
    time = clock(transcript.duration)
    if wish.translate:
        return t("transcribe.translated", time=time)
    language = text(name_from_english(transcript.language, t))
    return t("transcribe.ready", time=time, language=language)


def shown(transcript: Transcript, wish: Wish, t: Texts) -> str:
    """The transcript as HTML; once it is whole, with what it may be kept by."""
    said = transcript.segments
    if not said:
        return ""
    parts = []
    if transcript.done and wish.feelings:
        parts.append(_legend(said, t))
    rows = "".join(_row(each, told=transcript.done and wish.feelings, t=t) for each in said)
    parts.append(
        f'<ol class="transcript" aria-label="{t("transcribe.transcript")}" tabindex="0">{rows}</ol>'
    )
    if transcript.done:
        parts.append(_kept(said, t))
    return block("".join(parts))


def _row(said: Said, *, told: bool, t: Texts) -> str:
    style = mood = ""
    if told and said.feeling is not None:
        kind = feeling(said.feeling, t)
        style = f' style="{kind.style}"'
        mood = f'<span class="mood">{kind.name} {text(f"{said.surety:.0%}")}</span>'
    elif told:
        mood = f'<span class="mood">{t("transcribe.no_speech")}</span>'
    return (
        f'<li{style}><span class="when">{clock(said.start)}</span>'
        f'<span class="words">{text(said.text)}</span>{mood}</li>'
    )


def _legend(said: Iterable[Said], t: Texts) -> str:
    """Which feelings there are, and how much of the time each is heard."""
    seconds: dict[str, float] = defaultdict(float)
    for each in said:
        if each.feeling is not None:
            seconds[each.feeling] += max(0.0, each.end - each.start)
    whole = sum(seconds.values())
    if not whole:
        return ""
    ranked = sorted(seconds.items(), key=lambda item: -item[1])
    rows = "".join(
        f'<li style="{feeling(label, t).style}">{feeling(label, t).name} '
        f"{text(f'{heard / whole:.0%}')}</li>"
        for label, heard in ranked
    )
    return f'<ul class="legend" aria-label="{t("transcribe.legend")}">{rows}</ul>'


def _kept(said: Sequence[Said], t: Texts) -> str:
    """Links to the files, which are in the page itself: nothing is left on the server."""
    links = "".join(
        f'<a class="keep" download="{t("transcribe.file_name")}.{suffix}" '
        f'href="data:{kind};base64,{base64.b64encode(write(said).encode()).decode()}">'
        f"{t('transcribe.download', format=suffix.upper())}</a>"
        for suffix, (kind, write) in _FILES.items()
    )
    return (
        f'<p class="keeping">{links}<button type="button" class="keep" data-copies=".transcript '
        f'.words" data-copied="{t("transcribe.copied")}">{t("transcribe.copy")}</button></p>'
    )
