"""Jobs that make songs, as the gateway tells of them."""

from typing import Any

LRC = "[ti:Home]\n[length:00:15.00]\n[00:04.60]Two cups\n[00:09.20]<b>One chair</b>\n"
FILES = {
    "song.mp3": ("audio/mpeg", b"ID3" + bytes(97)),
    "vocals.mp3": ("audio/mpeg", b"ID3"),
    "lyrics.lrc": ("text/plain; charset=utf-8", LRC.encode()),
    "lyrics.txt": ("text/plain; charset=utf-8", b"[Verse]\nTwo cups\n<b>One chair</b>\n"),
    "cover.png": ("image/png", b"PNG"),
    "stem-bass.flac": ("audio/flac", bytes(2_500_000)),
}


def song(**facts: Any) -> dict[str, Any]:
    """What is known of a song."""
    unknown = dict.fromkeys(
        ("title", "artist", "mood", "mood_probability", "duration", "tempo", "key")
    )
    return {"genre": "pop", "seed": 7, **unknown, **facts}


def job(status: str = "in_progress", files: tuple[str, ...] = (), **said: Any) -> dict[str, Any]:
    """A job in a status; `files` are the names of those of `FILES` that are there."""
    artifacts = [
        {"name": name, "media_type": FILES[name][0], "bytes": len(FILES[name][1]), "url": ""}
        for name in files
    ]
    nothing = dict.fromkeys(
        (
            "queue_position", "estimated_seconds", "started_at", "ended_at", "expires_at",
            "repeated_from", "error",
        )
    )  # fmt: skip
    return {
        "id": "song_1", "object": "job", "status": status, "step": "melody", "progress": 0.41,
        "priority": 2, "created_at": 1_790_000_000, **nothing, "song": song(),
        "artifacts": artifacts, **said,
    }  # fmt: skip


def done(**said: Any) -> dict[str, Any]:
    """A song that is ready, with all of `FILES`."""
    facts = song(title="Home", duration=15.0, tempo=104.3, key="E minor")
    return job("completed", tuple(FILES), **{"progress": 1.0, "step": "mix", "song": facts, **said})
