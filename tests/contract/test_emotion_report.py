"""The committed report on classifiers: whole, of one piece, and as good as was promised."""

import re
from pathlib import Path

import pytest

from services.emotion.corpora import CORPORA
from services.emotion.evaluation.conditions import CLIPPINGS, GAINS, NOISE, RT60S, SNRS
from services.emotion.evaluation.goals import EIGHT_LABELS, OTHER_CORPUS, SIX_LABELS, goals
from services.emotion.evaluation.pictures import plots_of
from services.emotion.evaluation.report import METRICS, PAGE, page
from services.emotion.evaluation.result import Report, Result

DOCS = Path(__file__).resolve().parents[2] / "docs"
FOLDER = DOCS / "emotion"


@pytest.fixture(scope="module")
def report() -> Report:
    return Report.load(FOLDER / METRICS)


def named(report: Report, name: str) -> Result:
    [result] = [each for each in report.results if each.about.name == name]
    return result


def test_the_page_is_what_the_figures_say(report: Report) -> None:
    assert (FOLDER / PAGE).read_text("utf-8") == page(report)
    assert not report.fast


def test_every_plot_is_there_and_shown(report: Report) -> None:
    shown = set(re.findall(r"\]\(([\w-]+\.png)\)", (FOLDER / PAGE).read_text("utf-8")))
    assert shown == {name for result in report.results for name in plots_of(result).values()}
    assert shown <= {path.name for path in FOLDER.glob("*.png")}
    assert len(shown) > 20


def test_what_was_promised_is_kept(report: Report) -> None:
    assert report.goals == goals(report.results)
    assert len(report.goals) == 5
    assert [goal for goal in report.goals if not goal.met] == []


def test_all_speakers_and_labels_were_asked_about(report: Report) -> None:
    six, eight = named(report, SIX_LABELS), named(report, EIGHT_LABELS)
    assert (len(six.figures.labels), len(eight.figures.labels)) == (6, 8)
    # RAVDESS has 1,440 clips, two of which are the same, and 384 of the two labels left out.
    assert (six.figures.clips, eight.figures.clips) == (1055, 1439)
    assert len(six.speakers) == len(eight.speakers) == 24
    assert [len(fold.speakers) for fold in six.folds] == [4] * 6
    assert len(named(report, OTHER_CORPUS).speakers) == 10
    assert all(result.skipped == [] for result in report.results)


def test_every_condition_was_tried(report: Report) -> None:
    for name in (SIX_LABELS, f"fallback-{SIX_LABELS}"):
        result = named(report, name)
        tried = {(each.family, each.kind, each.level) for each in result.robustness}
        kinds = {kind for family, kind, _ in tried if family == NOISE}
        assert {"white", "babble", "rain", "dog bark"} <= kinds
        assert len(kinds) == 12
        assert {(NOISE, kind, snr) for kind in kinds for snr in SNRS} <= tried
        others = {(kind, level) for family, kind, level in tried if family != NOISE}
        assert {("telephone", 8), ("mp3", 32), ("opus", 12)} <= others
        assert {("reverberation", rt60) for rt60 in RT60S} <= others
        assert {("clipping", db) for db in CLIPPINGS} | {("gain", db) for db in GAINS} <= others
        assert result.cost is not None


def test_the_documented_map_of_labels_is_the_one_that_is_used() -> None:
    text = (DOCS / "emotion-evaluation.md").read_text("utf-8")
    rows = [
        [cell.strip() for cell in line.strip("|").split("|")]
        for line in text.split("### Their labels onto ours")[1].splitlines()
        if line.startswith("|") and "---" not in line
    ]
    titles = rows[0][1:]
    assert titles == [corpus.title for corpus in CORPORA.values()]
    documented: dict[str, dict[str, str]] = {title: {} for title in titles}
    for ours, *cells in rows[1:]:
        for title, cell in zip(titles, cells, strict=True):
            if cell:
                documented[title][cell.split()[0].lower()] = ours
    assert documented == {corpus.title: corpus.labels for corpus in CORPORA.values()}
