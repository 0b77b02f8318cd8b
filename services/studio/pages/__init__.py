"""The pages of the web app, in the order of its menu."""

from collections.abc import Callable
from dataclasses import dataclass

from services.studio.pages import (
    chat,
    emotion,
    home,
    images,
    models,
    queue,
    song,
    speak,
    transcribe,
)
from services.studio.studio import Studio
from services.studio.texts import Texts


@dataclass(frozen=True, slots=True)
class Page:
    """A page: its place below the language, its name in `shell.yaml`, and what lays it out."""

    path: str
    name: str
    build: Callable[[Studio, Texts], None]


#: The first is where one starts.
PAGES = (
    Page("", "home", home.build),
    Page("emotion", "emotion", emotion.build),
    Page("song", "song", song.build),
    Page("chat", "chat", chat.build),
    Page("speak", "speak", speak.build),
    Page("transcribe", "transcribe", transcribe.build),
    Page("images", "images", images.build),
    Page("models", "models", models.build),
    Page("queue", "queue", queue.build),
)
