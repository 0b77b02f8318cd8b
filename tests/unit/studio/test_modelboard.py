"""The models, as the page of models shows them."""

from dataclasses import replace
from pathlib import Path
from typing import Any, get_args

import pytest

from orfeon import Model
from services.chat.servicer import CHAT, EMBEDDING, VISION
from services.images.engine import Task as ImageTask
from services.melody.engine import Task as MelodyTask
from services.runtime.manifest import read_manifest
from services.studio.modelboard import board, said
from services.studio.texts import LANGUAGES, Texts, sentences

EN, ES = Texts("en"), Texts("es")
NASTY = '"><script>alert(1)</script>'
MODEL = Model(
    id="whisper-base", created=0, owned_by="x", capability="speech", tasks=("transcription",),
    aliases=("whisper-1",), default=True, state="loaded", resident_bytes=280_000_000,
    context_length=None, languages=(), voices=(), labels=(), licence="MIT", device="cpu",
    loaded_at=1_790_000_000, pinned=True,
)  # fmt: skip


SERVICES = Path(__file__).resolve().parents[3] / "services"


def model(**facts: Any) -> Model:
    return replace(MODEL, **facts)


@pytest.mark.parametrize("language", LANGUAGES)
def test_a_model_is_told_in_the_language_of_the_page(language: str) -> None:
    t = Texts(language)
    html = board([MODEL], False, t)
    for told in ("whisper-base", "whisper-1", "280 MB", "CPU", "MIT", t("models.yes"),
                 t("models.task_transcription"), t("models.state_loaded"), t("models.default"),
                 "2026-09-21T14:13:20"):  # fmt: skip
        assert told in html
    assert t("models.sum", loaded=1, all=1, memory="280 MB") in html


def test_only_who_may_manage_has_buttons() -> None:
    assert "<button" not in board([MODEL], False, EN)
    assert EN("models.no_admin") in board([MODEL], False, EN)
    html = board([MODEL, model(id="b", state="unloaded", pinned=False)], True, EN)
    assert EN("models.no_admin") not in html
    for act, name in (("unload", "whisper-base"), ("unpin", "whisper-base"), ("load", "b"),
                      ("pin", "b")):  # fmt: skip
        assert f'data-act="{act}" data-id="{name}"' in html


def test_a_load_shows_how_far_it_is_and_has_no_button_that_would_do_nothing() -> None:
    html = board([model(state="loading", progress=0.42, resident_bytes=0)], True, EN)
    assert '<progress max="100" value="42" aria-label="Loading whisper-base">' in html
    assert html.count(' aria-disabled="true" data-busy') == 2


def test_a_profile_is_in_memory_with_its_base_alone() -> None:
    html = board([MODEL, model(id="pop", base="whisper-base", resident_bytes=0)], True, ES)
    assert "con whisper-base" in html
    assert 'data-id="pop"' not in html


def test_what_may_not_be_sold_and_what_is_at_work_is_said() -> None:
    html = board([model(commercial_use=False, in_use=2)], False, ES)
    assert "sin uso comercial" in html
    assert "peticiones en curso: 2" in html


def test_words_that_we_do_not_know_are_shown_as_they_are() -> None:
    html = board(
        [model(tasks=("juggling",), state="asleep", device="cuda:0", licence="")], True, EN
    )
    for told in ("juggling", "asleep", "cuda:0", EN("models.unknown_licence")):
        assert told in html


def test_every_task_has_a_word_and_every_word_a_task() -> None:
    ours = {
        task
        for path in SERVICES.glob("*/models/*/model.yaml")
        for task in read_manifest(path).tasks
    }
    # What a model can be added for, although none of ours does it.
    others = {CHAT, EMBEDDING, VISION, *get_args(ImageTask), *get_args(MelodyTask)}
    words = {key.removeprefix("models.task_") for key in sentences() if "models.task_" in key}
    assert words == ours | others


def test_names_of_models_are_text() -> None:
    nasty = model(id=NASTY, aliases=(NASTY,), state=NASTY, licence=NASTY, device=NASTY,
                  tasks=(NASTY,))  # fmt: skip
    html = board([nasty, model(id="p", base=NASTY)], True, EN) + said("load", nasty, EN)
    assert "<script" not in html
    assert "&#34;&#62;&#60;script&#62;" in html


def test_a_server_without_models_says_so() -> None:
    assert EN("models.none") in board([], True, EN)


@pytest.mark.parametrize("action", ["load", "unload", "pin", "unpin"])
def test_what_a_button_did_is_said(action: str) -> None:
    assert "whisper-base" in said(action, MODEL, ES)
