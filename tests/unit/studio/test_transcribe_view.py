import base64
import re

from services.studio.pages.transcribe_view import outcome, progress, shown
from services.studio.subtitles import Said, srt, vtt
from services.studio.texts import Texts
from services.studio.transcribing import Transcript, Wish

EN, ES = Texts("en"), Texts("es")
EVIL = " <script>alert(1)</script><img src=x onerror=alert(1)> *a* [b](c)"
SAID = [Said(0, 3, EVIL, "happy", 0.8), Said(3, 4, " Oh.", "<b>rage", 0.5), Said(64, 65, " …")]


def whole(*said: Said) -> Transcript:
    return Transcript(list(said), "spanish", 65.2, done=True)


def test_what_was_said_is_text_and_nothing_else() -> None:
    html = shown(whole(*SAID), Wish(), EN)
    assert "<script" not in html
    assert "<img" not in html
    assert "<b>" not in html
    assert "*" not in html
    assert "\n" not in html


def test_feelings_have_names_beside_their_colours() -> None:
    html = shown(whole(*SAID), Wish(), ES)
    assert "alegría 80&#37;" in html
    # The legend tells how much of the time that is.
    assert "alegría 75&#37;" in html
    assert "No se oye voz" in html
    assert ">1:04</span>" in html


def test_nothing_is_coloured_before_the_end_or_where_nobody_asked() -> None:
    running = Transcript(list(SAID))
    assert "mood" not in shown(running, Wish(), EN)
    assert "download" not in shown(running, Wish(), EN)
    plain = shown(whole(*SAID), Wish(feelings=False), EN)
    assert "mood" not in plain
    assert "legend" not in plain


def test_files_are_in_the_page_itself() -> None:
    html = shown(whole(*SAID), Wish(), EN)
    kept = dict(re.findall(r'download="transcript\.(\w+)" href="data:[^;]+;base64,([^"]+)"', html))
    assert sorted(kept) == ["srt", "txt", "vtt"]
    assert base64.b64decode(kept["srt"]).decode() == srt(SAID)
    assert base64.b64decode(kept["vtt"]).decode() == vtt(SAID)
    assert base64.b64decode(kept["txt"]).decode().startswith("<script>")


def test_one_is_told_how_far_it_is_and_what_came_of_it() -> None:
    assert progress(Transcript(), EN) == "Listening…"
    assert progress(Transcript(list(SAID)), EN) == "Listening… heard up to 1:05."
    assert outcome(whole(*SAID), Wish(), ES).startswith("Listo: 1:05 en español.")
    assert "translated to English" in outcome(whole(*SAID), Wish(translate=True), EN)
    assert outcome(Transcript(), Wish(), EN).startswith("Cancelled.")
    assert outcome(whole(), Wish(), EN).startswith("Nobody seems to speak")
    assert shown(whole(), Wish(), EN) == ""
