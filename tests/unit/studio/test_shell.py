"""What stands around every page."""

import re

import pytest

from services.studio.shell import FOLDER, STATIC, Place, page_of, wrapped

NAMES = ("home", "emotion", "song")
GRADIO = """<!doctype html>
<html lang="en" style="margin: 0"><head>
<meta property="og:title" content="Gradio"><meta name="twitter:card" content="x" />
<link rel="manifest" href="/manifest.json" />
<script>window.gradio_config = {};</script>
<script>const script = 1;
script.src = "static/js/iframeResizer.contentWindow.min.js";</script>
<script type="module" src="./assets/index.js"></script>
</head><body style="width: 100%"><gradio-app control_page_title="true"></gradio-app>
</body></html>"""


def page(language: str = "es", name: str = "emotion", label: str = "sk-orf-abc…") -> str:
    return wrapped(GRADIO, Place(language, name), NAMES, label, "n0nce")


@pytest.mark.parametrize(
    ("path", "place"),
    [
        ("/studio/en/", Place("en", "home")),
        ("/studio/es", Place("es", "home")),
        ("/studio/en/song", Place("en", "song")),
        ("/studio/en/song/", Place("en", "song")),
        ("/studio/en/nope", None),
        ("/studio/fr/song", None),
        ("/studio/en/song/more", None),
        ("/studio/", None),
        ("/", None),
        ("/en/song", None),
    ],
)
def test_a_path_leads_to_a_page_or_to_none(path: str, place: Place | None) -> None:
    assert page_of(path, NAMES) == place


def test_a_page_speaks_its_language_and_says_where_one_is() -> None:
    document = page()
    assert '<html lang="es"' in document
    assert '<a href="/studio/es/emotion" aria-current="page">Emoción</a>' in document
    assert document.count("aria-current") == 1
    assert 'href="/studio/en/emotion">English</a>' in document


def test_every_script_has_the_nonce_and_nothing_else_has() -> None:
    scripts = re.findall(r"<script[^>]*>", page())
    assert len(scripts) >= 2
    assert all('nonce="n0nce"' in script for script in scripts)
    assert page().count("n0nce") == len(scripts)


def test_gradio_does_not_speak_of_itself() -> None:
    assert "og:" not in page()
    assert "twitter:" not in page()
    assert "manifest" not in page()
    assert "iframeResizer" not in page()
    assert "gradio_config" in page()


@pytest.mark.parametrize(
    ("language", "name", "title"),
    [
        ("en", "home", "Orfeón Studio"),
        ("en", "song", "Song · Orfeón Studio"),
        ("es", "song", "Canción · Orfeón Studio"),
    ],
)
def test_a_page_has_a_title_that_gradio_leaves_alone(language: str, name: str, title: str) -> None:
    document = page(language, name)
    assert document.count(f"<title>{title}</title>") == 1
    assert 'control_page_title="false"' in document


def test_a_page_brings_the_files_that_it_has() -> None:
    document = page("en", "home")
    for name in ("studio", "home"):
        assert (FOLDER / f"{name}.css").exists()
        assert f'href="{STATIC}/{name}.css"' in document
        assert f'src="{STATIC}/{name}.js"' in document
    assert "/song.css" not in document


def test_a_name_of_somebody_is_text() -> None:
    document = page(label='"><script>alert(1)</script>')
    assert "<script>alert" not in document
    assert "&quot;&gt;&lt;script&gt;alert(1)&lt;/script&gt;" in document
