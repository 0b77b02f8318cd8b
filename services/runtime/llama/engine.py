"""The engine for GGUF models, as a container's settings would have it."""

from services.runtime.host import Engine
from services.runtime.llama.generation import LanguageModel
from services.runtime.llama.settings import LanguageSettings


def llama(settings: LanguageSettings) -> Engine[LanguageModel]:
    """The engine for GGUF models. llama.cpp is imported here, so not where a fake was chosen."""
    from services.runtime.llama.llama_engine import LlamaEngine

    return LlamaEngine(
        device=settings.device,
        threads=settings.threads,
        context_length=settings.context_length,
        places=settings.slots,
    )
