"""The figure of the README, measured again."""

from pathlib import Path

import pytest
from rich.console import Console

from services.emotion.evaluate import evaluate, show
from services.emotion.preparation import prepared
from services.emotion.settings import EmotionSettings

RAVDESS = Path(__file__).resolve().parents[3] / "shared" / "data" / "emotion" / "ravdess"


@pytest.mark.skipif(not RAVDESS.is_dir(), reason="needs RAVDESS beside the repository")
def test_voices_never_heard_are_told_right_seven_times_in_ten(tmp_path: Path) -> None:
    console = Console()
    examples = prepared(RAVDESS, EmotionSettings(ORFEON_HOME=tmp_path), console)
    found = evaluate(examples, console)
    show(found, console)
    assert found.accuracy >= 0.70
    assert found.confusion.sum() == len(examples.labels)
