"""Orfeón's Python client: what the gateway does beyond OpenAI's API, typed.

For chat, speech and transcription point the official `openai` client at the gateway.
"""

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from orfeon.client import AsyncOrfeon, Orfeon
    from orfeon.errors import (
        APIConnectionError,
        APIStatusError,
        APITimeoutError,
        AuthenticationError,
        BadRequestError,
        ContentTooLargeError,
        InternalServerError,
        NotFoundError,
        OrfeonError,
        PermissionDeniedError,
        RateLimitError,
        ServiceUnavailableError,
    )
    from orfeon.images import ImageWish, MadeImage, PictureWish
    from orfeon.jobs import Artifact, Job, JobError, SongFacts, SongWish, WrittenSection
    from orfeon.live import AsyncLive, ListenWish, Live
    from orfeon.types import (
        Lyrics,
        LyricsLine,
        LyricsSection,
        LyricsWish,
        Melody,
        MelodyGenre,
        MelodySection,
        MelodyWish,
        Model,
        QueueEntry,
        Usage,
        UsagePage,
        Voice,
        WrittenLine,
    )
    from orfeon.voices import (
        Classification,
        ClassifyWish,
        Diarization,
        DiarizeWish,
        EmotionHeard,
        KeywordMatch,
        KeywordWish,
        LabelScore,
        SessionCreated,
        SessionFinished,
        SpeakerResult,
        SpeechStarted,
        SpeechStopped,
        TimelineSegment,
        TimeSpan,
        Turn,
        VoiceEmbedding,
    )

__version__ = "0.1.0"

__all__ = [
    "APIConnectionError",
    "APIStatusError",
    "APITimeoutError",
    "Artifact",
    "AsyncLive",
    "AsyncOrfeon",
    "AuthenticationError",
    "BadRequestError",
    "Classification",
    "ClassifyWish",
    "ContentTooLargeError",
    "Diarization",
    "DiarizeWish",
    "EmotionHeard",
    "ImageWish",
    "InternalServerError",
    "Job",
    "JobError",
    "KeywordMatch",
    "KeywordWish",
    "LabelScore",
    "ListenWish",
    "Live",
    "Lyrics",
    "LyricsLine",
    "LyricsSection",
    "LyricsWish",
    "MadeImage",
    "Melody",
    "MelodyGenre",
    "MelodySection",
    "MelodyWish",
    "Model",
    "NotFoundError",
    "Orfeon",
    "OrfeonError",
    "PermissionDeniedError",
    "PictureWish",
    "QueueEntry",
    "RateLimitError",
    "ServiceUnavailableError",
    "SessionCreated",
    "SessionFinished",
    "SongFacts",
    "SongWish",
    "SpeakerResult",
    "SpeechStarted",
    "SpeechStopped",
    "TimeSpan",
    "TimelineSegment",
    "Turn",
    "Usage",
    "UsagePage",
    "Voice",
    "VoiceEmbedding",
    "WrittenLine",
    "WrittenSection",
    "__version__",
]

_HOMES = {
    "orfeon.client": {"AsyncOrfeon", "Orfeon"},
    "orfeon.images": {"ImageWish", "MadeImage", "PictureWish"},
    "orfeon.jobs": {
        "Artifact", "Job", "JobError", "SongFacts", "SongWish", "WrittenSection",
    },
    "orfeon.live": {"AsyncLive", "ListenWish", "Live"},
    "orfeon.types": {
        "Lyrics", "LyricsLine", "LyricsSection", "LyricsWish",
        "Melody", "MelodyGenre", "MelodySection", "MelodyWish", "Model", "QueueEntry",
        "Usage", "UsagePage", "Voice", "WrittenLine",
    },
    "orfeon.voices": {
        "Classification", "ClassifyWish", "Diarization", "DiarizeWish", "EmotionHeard",
        "KeywordMatch", "KeywordWish", "LabelScore", "SessionCreated", "SessionFinished",
        "SpeakerResult", "SpeechStarted", "SpeechStopped", "TimeSpan", "TimelineSegment", "Turn",
        "VoiceEmbedding",
    },
}  # fmt: skip


def __getattr__(name: str) -> object:
    # Every service imports `orfeon.api`, and so this module: it must not cost them an HTTP client.
    if name not in __all__:
        raise AttributeError(f"module 'orfeon' has no attribute {name!r}")
    home = next((home for home, names in _HOMES.items() if name in names), "orfeon.errors")
    value: object = getattr(import_module(home), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted(__all__)
