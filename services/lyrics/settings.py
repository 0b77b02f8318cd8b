"""What the lyrics container can be told."""

from pydantic_settings import SettingsConfigDict

from services.runtime.llama.settings import LanguageSettings


class LyricsSettings(LanguageSettings):
    """Read from variables named `ORFEON_LYRICS_<FIELD>`."""

    model_config = SettingsConfigDict(env_prefix="ORFEON_LYRICS_", frozen=True, extra="ignore")
