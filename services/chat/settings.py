"""What the chat container can be told."""

from pydantic_settings import SettingsConfigDict

from services.runtime.llama.settings import LanguageSettings


class ChatSettings(LanguageSettings):
    """Read from variables named `ORFEON_CHAT_<FIELD>`."""

    model_config = SettingsConfigDict(env_prefix="ORFEON_CHAT_", frozen=True, extra="ignore")
