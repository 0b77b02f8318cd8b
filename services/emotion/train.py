"""Trains the shipped head on RAVDESS: `python -m services.emotion.train --data FOLDER`.

Takes the encoder's vectors of RAVDESS's clips, chooses the regularisation over folds by speaker,
fits on all speakers and writes `head.npz` beside the model's `model.yaml`.
"""

import sys

from rich.console import Console

from services.emotion.corpus import CorpusError
from services.emotion.fitting import fit
from services.emotion.preparation import MODEL_FOLDER, data_folder, prepared
from services.emotion.settings import EmotionSettings
from services.emotion.whisper_head_engine import HEAD


def main() -> None:
    """See the module."""
    console = Console()
    try:
        examples = prepared(data_folder(str(__doc__)), EmotionSettings(), console)
    except CorpusError as error:
        sys.exit(str(error))
    with console.status("Fitting the head"):
        head, strength = fit(examples)
    path = MODEL_FOLDER / HEAD
    head.save(path)
    console.print(
        f"{len(examples.labels)} clips, {examples.values.shape[1]} features, C={strength:g}: "
        f"{path.name}, {path.stat().st_size / 1000:.0f} kB"
    )


if __name__ == "__main__":
    main()
