"""What befalls clips in training, as a recipe says."""

from pathlib import Path

from services.emotion.corpora import CorpusError
from services.emotion.degradation import Augmentation, sounds
from services.emotion.training.errors import Misuse
from services.emotion.training.recipe import Recipe


def augmentation(recipe: Recipe) -> Augmentation | None:
    """None where clips stay as they are. Raises `Misuse` for noise that is not there."""
    if not recipe.augment:
        return None
    try:
        return Augmentation(sounds(Path(recipe.noise))) if recipe.noise else Augmentation()
    except CorpusError as error:
        raise Misuse(str(error)) from error
