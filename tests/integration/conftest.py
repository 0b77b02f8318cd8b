"""The default language model, as it comes and with more precise weights."""

from pathlib import Path

import pytest
from llama_cpp import llama_cpp

from services.chat.__main__ import CHAT
from services.runtime.manifest import Manifest
from services.runtime.registry import Registry


@pytest.fixture(scope="session")
def smollm(tmp_path_factory: pytest.TempPathFactory) -> tuple[Manifest, Path]:
    registry = Registry(tmp_path_factory.mktemp("home"), [CHAT.models])
    manifest = registry.resolve("", "chat")
    return manifest, registry.folder(manifest)


@pytest.fixture(scope="session")
def precise(
    smollm: tuple[Manifest, Path], tmp_path_factory: pytest.TempPathFactory
) -> tuple[Manifest, Path]:
    """The same weights in 32 bits. In 4 bits llama.cpp rounds what goes into each layer to 8 bits,
    so that a difference in the last bit of a sum, which the order of cells makes, grows to half a
    logit: there are no near ties then, and nothing could be told from a difference.
    """
    manifest, folder = smollm
    exact = tmp_path_factory.mktemp("precise")
    params = llama_cpp.llama_model_quantize_default_params()
    params.ftype, params.allow_requantize = 0, True
    names = (str(each / "model.gguf").encode() for each in (folder, exact))
    assert llama_cpp.llama_model_quantize(*names, params) == 0
    return manifest, exact
