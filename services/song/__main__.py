"""Starts the song container: `python -m services.song`."""

from services.runtime.environment import settings_of
from services.song.server import run
from services.song.settings import SongSettings

if __name__ == "__main__":
    run(settings_of(SongSettings))
