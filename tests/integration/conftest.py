"""The default language model."""

from pathlib import Path

import pytest

from services.chat.__main__ import CHAT
from services.runtime.manifest import Manifest
from services.runtime.registry import Registry


@pytest.fixture(scope="session")
def smollm(tmp_path_factory: pytest.TempPathFactory) -> tuple[Manifest, Path]:
    registry = Registry(tmp_path_factory.mktemp("home"), [CHAT.models])
    manifest = registry.resolve("", "chat")
    return manifest, registry.folder(manifest)
