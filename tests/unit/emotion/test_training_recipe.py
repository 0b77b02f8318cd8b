"""The settings of a training, and what may be done with what comes of it."""

from pathlib import Path

import pytest

from services.emotion.corpora import CORPORA, Recording
from services.emotion.training.errors import Misuse
from services.emotion.training.recipe import Recipe
from services.emotion.training.rights import Rights, Terms, rights_of

FREE, BOUND = Terms("Apache-2.0", True), Terms("CC-BY-NC-4.0", False)
UNKNOWN = NOTHING = Terms("", None)


def clips(*corpora: str) -> list[Recording]:
    """A clip of each, as it is called there; "" for one of somebody's own."""
    names = [CORPORA[name].example if name else "joy/01.wav" for name in corpora]
    return [Recording(Path("data") / name, "sad", "table/1") for name in names]


def test_the_profile_is_that_of_the_thesis() -> None:
    recipe = Recipe("full", "data", "base")
    assert recipe.seconds == 2.0
    assert recipe.learning_rate == 3e-5
    assert (recipe.batch, recipe.accumulation, recipe.epochs) == (32, 4, 10)
    assert (recipe.warmup, recipe.metric, recipe.fp16) == (0.1, "accuracy", True)
    assert recipe.split == "speaker"


def test_a_recipe_comes_back_as_it_was_written(tmp_path: Path) -> None:
    recipe = Recipe(
        "full", "data", "base", labels=("sad", "happy"), drop=("bored",),
        merge=(("calm", "neutral"),), augment=False, seed=7,
    )  # fmt: skip
    recipe.save(tmp_path / "recipe.json")
    assert Recipe.load(tmp_path / "recipe.json") == recipe


@pytest.mark.parametrize(
    ("classifies", "speech", "expected"),
    [
        ("emotion", None, True),
        ("intent", None, True),
        ("animal", None, False),
        ("animal", True, True),
        ("cough", False, False),
    ],
)
def test_a_model_listens_for_people_unless_it_is_for_other_sounds(
    classifies: str, speech: bool | None, expected: bool
) -> None:
    recipe = Recipe("full", "data", "base", classifies=classifies, speech=speech)
    assert recipe.of_speech is expected


@pytest.mark.parametrize("text", [None, "", "[]", "{}", '{"method": "full"}', '{"labels": 1}'])
def test_what_is_no_recipe_is_told_so(text: str | None, tmp_path: Path) -> None:
    if text is not None:
        (tmp_path / "recipe.json").write_text(text)
    with pytest.raises(Misuse, match="holds no training to resume"):
        Recipe.load(tmp_path / "recipe.json")


@pytest.mark.parametrize(
    ("setting", "value", "sentence"),
    [
        ("seconds", 0.1, "--seconds must be from 0.5 to 30"),
        ("seconds", float("nan"), "--seconds must be"),
        ("batch", 0, "--batch must be"),
        ("warmup", 1.0, "--warmup must be"),
        ("checkpoint_every", -1, "--checkpoint-every must be"),
        ("seed", -1, "--seed must be"),
        ("metric", "luck", "--metric is one of accuracy, uar, f1"),
        ("freeze", "all", "--freeze is one of none, features, encoder"),
    ],
)
def test_a_setting_out_of_range_is_told_so(setting: str, value: float, sentence: str) -> None:
    with pytest.raises(Misuse, match=sentence):
        Recipe("full", "data", "base", **{setting: value})  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("corpora", "base", "said", "licence", "commercial"),
    [
        (("ravdess",), FREE, NOTHING, "CC-BY-NC-SA-4.0", False),
        (("crema-d", "ravdess"), FREE, NOTHING, "CC-BY-NC-SA-4.0", False),
        (("crema-d",), FREE, NOTHING, "unknown", True),
        (("emodb",), FREE, NOTHING, "unknown", None),
        (("crema-d", ""), FREE, NOTHING, "unknown", None),
        (("ravdess", ""), FREE, NOTHING, "CC-BY-NC-SA-4.0", False),
        (("",), UNKNOWN, NOTHING, "unknown", None),
        (("",), BOUND, NOTHING, "CC-BY-NC-4.0", False),
        (("",), UNKNOWN, Terms("MIT", True), "MIT", True),
        (("crema-d",), FREE, Terms("", False), "unknown", False),
        (("ravdess",), FREE, Terms("CC-BY-NC-SA-4.0", None), "CC-BY-NC-SA-4.0", False),
    ],
)
def test_the_strictest_part_decides_what_may_be_done_with_a_model(
    corpora: tuple[str, ...], base: Terms, said: Terms, licence: str, commercial: bool | None
) -> None:
    rights = rights_of(clips(*corpora), "some-base", base, said)
    assert (rights.licence, rights.commercial_use) == (licence, commercial)


def test_what_a_part_forbids_nobody_can_allow() -> None:
    with pytest.raises(Misuse, match="ravdess is not for commercial use"):
        rights_of(clips("ravdess"), "some-base", FREE, Terms("MIT", True))
    with pytest.raises(Misuse, match="some-base is not for commercial use"):
        rights_of(clips(""), "some-base", BOUND, Terms("MIT", True))


def test_the_provenance_names_base_and_data() -> None:
    assert rights_of(clips("ravdess", "emodb"), "some-base", FREE, NOTHING) == Rights(
        "CC-BY-NC-SA-4.0",
        False,
        "Base: some-base (Apache-2.0). Trained on EMO-DB (terms unstated), RAVDESS "
        "(CC-BY-NC-SA-4.0). That data makes it non-commercial.",
    )
    assert "recordings of the owner" in rights_of(clips(""), "x", UNKNOWN, NOTHING).provenance
