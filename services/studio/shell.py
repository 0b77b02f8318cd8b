"""What stands around every page: its head, the menu above it, and who is signed in."""

import hashlib
import html
import re
from dataclasses import dataclass
from pathlib import Path

from services.studio.studio import BASE
from services.studio.texts import LANGUAGES, Texts

#: Files that go to browsers as they are.
FOLDER = Path(__file__).parent / "static"


def _version(folder: Path) -> str:
    """A name that changes with what is in the files."""
    digest = hashlib.sha256()
    for path in sorted(folder.iterdir()):
        digest.update(path.name.encode())
        digest.update(path.read_bytes())
    return digest.hexdigest()[:16]


#: Where browsers find them. The version lets them be kept for good, and asked for once.
STATIC = f"{BASE}/static/{_version(FOLDER)}"

# Gradio speaks of itself in its page's head, and of a manifest that is not at the host's root. Its
# base makes of a place within a page, or of a question, another page.
_FOREIGN = re.compile(
    r"<meta\s+(?:property|name)=\"(?:og|twitter):[^>]*>|<link rel=\"manifest\"[^>]*>|<base\s[^>]*>",
    re.DOTALL,
)
# It would fit a page into a frame, which none of ours may be in, by a file fetched each time.
_FRAMED = re.compile(
    r"<script>(?:(?!</script>).)*iframeResizer\.contentWindow.*?</script>", re.DOTALL
)
# It gives all pages one title, and none before they are laid out.
_TITLES = 'control_page_title="true"'
_BODY = re.compile(r"<body[^>]*>", re.DOTALL)
_SCRIPT = re.compile(r"<script(?=[\s>])")
_CURRENT = ' aria-current="page"'
_LANGUAGE = re.compile(r"<html\s+lang=\"en\"")


@dataclass(frozen=True, slots=True)
class Place:
    """Where somebody is: a language and the name of a page."""

    language: str
    page: str


def page_of(path: str, names: tuple[str, ...]) -> Place | None:
    """The place at a path such as `/studio/en/song`; None where no page is there."""
    match path.removeprefix(f"{BASE}/").rstrip("/").split("/"):
        case [language] if language in LANGUAGES:
            return Place(language, "home")
        case [language, name] if language in LANGUAGES and name in names:
            return Place(language, name)
    return None


def wrapped(document: str, place: Place, names: tuple[str, ...], label: str, nonce: str) -> str:
    """Gradio's page, in our language, with our head and menu, and a nonce for its scripts."""
    document = _FRAMED.sub("", _FOREIGN.sub("", document))
    document = _LANGUAGE.sub(f'<html lang="{place.language}"', document, count=1)
    t = Texts(place.language)
    document = document.replace(_TITLES, _TITLES.replace("true", "false"), 1)
    document = document.replace("<head>", f'<head><script src="{STATIC}/frames.js"></script>', 1)
    document = document.replace("</head>", f"{_head(t, place.page)}</head>", 1)
    menu = _menu(t, place, names, label)
    document = _BODY.sub(lambda found: found[0] + menu, document, count=1)
    return _SCRIPT.sub(f'<script nonce="{nonce}"', document)


def plain(t: Texts, title: str, said: str, head: str = "") -> str:
    """A page without a menu, for whoever is not signed in or lost their way."""
    return (
        f'<!doctype html><html lang="{t.language}"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f"<title>{html.escape(title)}</title>{head}"
        f'<link rel="icon" href="{STATIC}/logo.svg" type="image/svg+xml">'
        f'<link rel="stylesheet" href="{STATIC}/sign-in.css"></head><body><main>'
        f'<img src="{STATIC}/logo.svg" alt="" width="56" height="56">{said}</main></body></html>'
    )


def _head(t: Texts, page: str) -> str:
    """The page's title, our files, and those that the page brings of its own."""
    title = t("shell.brand") if page == "home" else f"{t(f'shell.{page}')} · {t('shell.brand')}"
    links = [
        f"<title>{html.escape(title)}</title>",
        f'<link rel="icon" href="{STATIC}/logo.svg" type="image/svg+xml">',
    ]
    for name in ("studio", page):
        if (FOLDER / f"{name}.css").exists():
            links.append(f'<link rel="stylesheet" href="{STATIC}/{name}.css">')
        if (FOLDER / f"{name}.js").exists():
            links.append(f'<script type="module" src="{STATIC}/{name}.js"></script>')
    return "".join(links)


def _menu(t: Texts, place: Place, names: tuple[str, ...], label: str) -> str:
    links = "".join(
        f'<li><a href="{_address(t.language, name)}"{_CURRENT if name == place.page else ""}>'
        f"{t(f'shell.{name}')}</a></li>"
        for name in names
    )
    other = next(each for each in LANGUAGES if each != t.language)
    return (
        f'<a class="studio-skip" href="#studio-content">{t("shell.skip")}</a>'
        '<header class="studio-header">'
        f'<a class="studio-brand" href="{_address(t.language, "home")}">'
        f'<img src="{STATIC}/logo.svg" alt="" width="28" height="28">{t("shell.brand")}</a>'
        f'<nav aria-label="{t("shell.pages")}"><ul>{links}</ul></nav>'
        '<div class="studio-person">'
        f'<a lang="{other}" hreflang="{other}" href="{_address(other, place.page)}">'
        f"{t('shell.other_language')}</a>"
        f'<form method="post" action="{BASE}/sign-out">'
        f'<button title="{html.escape(t("shell.signed_in_as", name=label))}">'
        f"{t('shell.sign_out')}</button></form></div>"
        '</header><span id="studio-content" tabindex="-1"></span>'
    )


def _address(language: str, name: str) -> str:
    return f"{BASE}/{language}/{'' if name == 'home' else name}"
