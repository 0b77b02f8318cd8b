"""What the song container can be told."""

from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field
from pydantic_settings import SettingsConfigDict

from services.runtime.settings import ListeningSettings

#: The services that a song is made with.
Upstream = Literal["emotion", "lyrics", "melody", "speech"]


class SongSettings(ListeningSettings):
    """Settings of the song container.

    Read once, in `python -m services.song`, from variables named `ORFEON_SONG_<FIELD>`; a level is
    added by two underscores, as in `ORFEON_SONG_UPSTREAMS__LYRICS`.
    """

    model_config = SettingsConfigDict(
        env_prefix="ORFEON_SONG_",
        env_nested_delimiter="__",
        extra="ignore",
        frozen=True,
        populate_by_name=True,
    )

    home: Annotated[Path, Field(validation_alias="ORFEON_HOME")] = Path.home() / ".orfeon"
    """Where models and state live; songs lie in `songs` in it."""
    upstreams: dict[Upstream, str] = Field(default_factory=dict)
    """Where the services listen that songs are made with: `host:port` or `unix:/path`."""
    database_url: str = ""
    """Where jobs are kept: `postgresql://...`; empty means SQLite in `home`."""
    executor: str = "song"
    """Whose jobs this process takes up again at its start. No two that run at once may share it."""
    melody_model: str = ""
    """Model that composes; it must be one that writes notes. Empty means the default."""
    slots: Annotated[int, Field(ge=1)] = 2
    """Songs worked on at once: two, since their steps are for different services."""
    max_queued: Annotated[int, Field(ge=0)] = 1000
    """Songs that may wait; one more is refused with 429."""
    keep_seconds: Annotated[float, Field(gt=0)] = 24 * 3600
    """How long a job and its artifacts are kept once it has ended."""
    sweep_seconds: Annotated[float, Field(gt=0)] = 60
    """How often what has expired is removed."""
    patience_seconds: Annotated[float, Field(ge=0)] = 600
    """How long a step waits for a service that is away or full before its job fails."""
    max_audio_bytes: Annotated[int, Field(gt=0)] = 100 * 2**20
    """Largest recording of a voice accepted."""
    upload_memory_bytes: Annotated[int, Field(gt=0)] = 256 * 2**20
    """Memory for recordings that are being received; what comes while it is full is refused."""
    drain_seconds: Annotated[float, Field(ge=0)] = 25
    """How long running calls may go on after SIGTERM. Jobs wait for the next start."""

    @property
    def database(self) -> str:
        """SQLAlchemy URL of the database of jobs."""
        return self.database_url or f"sqlite:///{self.home / 'songs.db'}"

    @property
    def songs(self) -> Path:
        """The folder of the songs."""
        return self.home / "songs"
