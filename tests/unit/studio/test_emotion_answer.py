"""What the voice tells, as a ranked list."""

import re

import pytest

from orfeon.voices import Classification, LabelScore
from services.studio.pages.emotion_answer import headline, percent, shown
from services.studio.texts import Texts

EN, ES = Texts("en"), Texts("es")


def answer(*scores: tuple[str, float], asked_for: str | None = None) -> Classification:
    labels = tuple(LabelScore(label, score) for label, score in scores)
    label, confidence = scores[0] if scores else (None, None)
    return Classification("m", 3.0, labels, label, confidence, bool(scores), fallback_for=asked_for)


def test_labels_are_listed_best_first_with_bar_and_percent() -> None:
    html = shown(answer(("happy", 0.83), ("neutral", 0.163), ("sad", 0.007)), EN)
    assert re.findall(r'emotion-name">([^<]+)<', html) == ["happy", "neutral", "sad"]
    assert re.findall(r"width:([\d.]+)%", html) == ["83.0", "16.3", "0.7"]
    assert re.findall(r'emotion-percent">([^<]+)<', html) == [
        "83 &#37;",
        "16 &#37;",
        "&#60; 1 &#37;",
    ]
    assert "about 8 in 10" in html


def test_the_answer_is_in_the_language_of_the_page() -> None:
    html = shown(answer(("angry", 0.9), ("calm", 0.1)), ES)
    assert "Lo más probable: enfado" in html
    assert "calma" in html


def test_an_uncertain_answer_names_two() -> None:
    said = headline((LabelScore("sad", 0.41), LabelScore("neutral", 0.38)), EN)
    assert said == "Hard to tell: perhaps sad, perhaps neutral"


def test_where_nobody_speaks_nothing_is_guessed() -> None:
    html = shown(answer(), EN)
    assert "Nobody speaks" in html
    assert "<ol" not in html


def test_labels_and_models_of_others_are_shown_as_text() -> None:
    html = shown(answer(("<img src=x onerror=alert(1)>", 1.0), asked_for="<b>big</b>"), EN)
    assert "<img" not in html
    assert "<b>" not in html
    assert "&#60;img" in html


@pytest.mark.parametrize(
    ("score", "said"), [(1.0, "99 %"), (0.996, "99 %"), (0.5, "50 %"), (0.0099, "< 1 %")]
)
def test_no_answer_is_quite_sure(score: float, said: str) -> None:
    assert percent(score) == said
