"""What training and evaluation begin with: the shipped model's encoder over a corpus."""

import argparse
from pathlib import Path

from rich.console import Console
from rich.progress import track

from services.emotion.__main__ import EMOTION
from services.emotion.corpus import Recording, ravdess
from services.emotion.examples import Examples, extract, fingerprint, kept
from services.emotion.settings import EmotionSettings
from services.emotion.whisper_head_engine import HEAD, WhisperHeadEngine
from services.runtime.registry import Registry
from services.runtime.residency.placement import CPU, Placement

MODEL = "emotion-whisper-tiny"
MODEL_FOLDER = EMOTION.models / MODEL


def data_folder(description: str) -> Path:
    """The folder that the command line names with `--data`."""
    parser = argparse.ArgumentParser(description=description)
    parser.add_argument("--data", type=Path, required=True, help="folder of RAVDESS's speech clips")
    folder: Path = parser.parse_args().data
    return folder


def prepared(data: Path, settings: EmotionSettings, console: Console) -> Examples:
    """The examples of RAVDESS below `data`, from the cache below ORFEON_HOME where they are known.

    Raises `CorpusError`.
    """
    recordings = ravdess(data)
    registry = Registry(settings.home, [EMOTION.models], EMOTION.name)
    manifest = registry.get(MODEL)

    def compute() -> Examples:
        # The head is what training is to make: it need not be there.
        files = {name: file for name, file in manifest.files.items() if name != HEAD}
        folder = registry.folder(manifest.model_copy(update={"files": files}))
        engine = WhisperHeadEngine(device=settings.device, threads=settings.threads_per_slot)
        placement = Placement(((CPU, manifest.memory_bytes),))
        encoder = engine.encoder(manifest, folder, placement)

        def progress(them: list[Recording]) -> list[Recording]:
            return track(them, "Listening", console=console)  # type: ignore[return-value]

        return extract(recordings, encoder, progress)

    return kept(
        settings.home / "cache" / f"emotion-{fingerprint(recordings, manifest)}.npz", compute
    )
