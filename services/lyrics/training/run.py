"""One training, from the table of songs to a folder that the service can load."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any, Literal

import torch
from rich.console import Console
from transformers import set_seed

from services.lyrics.genre import Genre, genre_of
from services.lyrics.training import weights
from services.lyrics.training.base import WEIGHTS, Base, find
from services.lyrics.training.errors import TrainingError
from services.lyrics.training.fitting import batch, fit
from services.lyrics.training.gguf_files import rewrite_model, write_adapter, write_model
from services.lyrics.training.output import (
    Outcome,
    card,
    write_base,
    write_genre,
    write_profile,
)
from services.lyrics.training.passages import Passage, Passages, counts, write
from services.lyrics.training.recipe import Recipe
from services.lyrics.training.served import Served
from services.lyrics.training.songs import check, songs
from services.runtime.errors import ModelNotFound
from services.runtime.manifest import ADAPTER
from services.runtime.registry import Registry
from services.runtime.training.progress import bar

#: Held-out passages that the exported model is compared on, and by how much its loss may differ.
_COMPARED, _TOLERANCE = 8, 0.1


def train(recipe: Recipe, folder: Path, licence: str, registry: Registry, console: Console) -> None:
    """Trains by `recipe` and makes `folder` a genre that is called as the folder.

    What it takes to go on from the last checkpoint is in `folder/work`, which may be removed
    afterwards. A LoRA adapter for a base that is none of our models has that base beside it, as a
    model of its own, in `<folder>-base`. An empty `licence` means the base's. Raises
    `TrainingError` and, told to stop, `Interrupted`.
    """
    weights.quiet()
    work = folder / "work"
    if counts(work) is None:
        check(Path(recipe.data))
    work.mkdir(parents=True, exist_ok=True)
    recipe.save(work / "recipe.json")
    base = find(recipe.base, registry)
    config, reader = weights.config(base, recipe.length), weights.reader(base)
    genre = _genre(recipe, reader.template, registry)
    if counts(work) is None:
        _read(recipe, work, reader, genre, console)
    trained, held_out = counts(work) or (0, 0)
    console.print(
        f"{trained} songs to train on in {len(Passages(work, 'train'))} passages, "
        f"{held_out} songs held out."
    )
    # An adapter begins at random.
    set_seed(recipe.seed)
    model = weights.trainable(weights.model(base), recipe)
    history = fit(model, recipe, work, reader.end, console)
    with console.status("Writing GGUF, and reading it with llama.cpp"):
        served, adapter = _export(model, recipe, base, folder, config, reader.tokenizer)
        loss = _compared(model, served, adapter, work, reader, recipe.length)
    history.save(folder / "loss.csv")
    history.plot(folder / "loss.png", folder.name, "nats per token")
    outcome = Outcome(
        folder.name,
        recipe,
        base,
        genre,
        licence or base.licence,
        (trained, held_out),
        history,
        loss,
    )
    (folder / "README.md").write_text(card(outcome), "utf-8")
    if adapter is None:
        write_genre(folder, outcome, config)
    elif base.model:
        write_profile(folder, outcome, base.model)
    else:
        write_base(_base_folder(folder), outcome, served, config)
        write_profile(folder, outcome, _base_folder(folder).name)


def _genre(recipe: Recipe, template: Literal["chat", "text"], registry: Registry) -> Genre:
    """The genre as it is written, after ours of that name where there is one."""
    try:
        genre = genre_of(registry.resolve(recipe.genre.lower(), "lyrics"))
    except ModelNotFound:
        genre = Genre(prompt=f"You are a songwriter. You write {recipe.genre}.")
    changes = {"template": template} | ({"prompt": recipe.prompt} if recipe.prompt else {})
    return genre.model_copy(update=changes)


def _read(
    recipe: Recipe, work: Path, reader: weights.HuggingFaceReader, genre: Genre, console: Console
) -> None:
    table = Path(recipe.data)
    size = table.stat().st_size if table.is_file() else 0
    with bar(console, "Reading", size, counted=False) as shown:
        write(
            work,
            songs(table, recipe.genre, recipe.language, shown.advance),
            reader,
            genre,
            language=recipe.language or "en",
            length=recipe.length,
        )


def _export(
    model: Any, recipe: Recipe, base: Base, folder: Path, config: Any, tokenizer: Any
) -> tuple[Path, Path | None]:
    """Writes the GGUF files: of a whole model, and of an adapter for it if that was trained."""
    if recipe.method == "full":
        _write_whole(folder / WEIGHTS, weights.arrays(model), base, config, tokenizer)
        return folder / WEIGHTS, None
    adapter = folder / ADAPTER
    write_adapter(
        adapter, weights.adapter_arrays(model), config, alpha=recipe.alpha, name=folder.name
    )
    if base.path:
        return base.path, adapter
    whole = _base_folder(folder) / WEIGHTS
    whole.parent.mkdir(parents=True, exist_ok=True)
    _write_whole(whole, weights.arrays(weights.model(base)), base, config, tokenizer)
    return whole, adapter


def _write_whole(path: Path, values: Any, base: Base, config: Any, tokenizer: Any) -> None:
    if base.path:
        rewrite_model(path, base.path, values, config, name=path.parent.name)
    else:
        write_model(path, values, config, tokenizer, name=path.parent.name)


def _compared(
    model: Any,
    exported: Path,
    adapter: Path | None,
    work: Path,
    reader: weights.HuggingFaceReader,
    length: int,
) -> float:
    """The exported model's loss in llama.cpp. Raises `TrainingError` where it is another's."""
    held_out = Passages(work, "held-out")
    chosen = [held_out[at] for at in range(min(_COMPARED, len(held_out)))]
    with Served(exported, adapter, length) as served:
        losses = [served.loss(passage) for passage in chosen]
        for passage in chosen:
            text = reader.tokenizer.decode(passage.tokens[passage.prompt : -1].tolist())
            if served.tokens(text) != [*reader.text(text).tokens]:
                raise TrainingError(
                    "llama.cpp cuts text into other tokens than the base's tokeniser does; "
                    "start from another base, or from its GGUF."
                )
    served_loss = sum(nats for nats, _ in losses) / sum(count for _, count in losses)
    own_loss = _loss(model, chosen, reader.end)
    if not abs(served_loss - own_loss) < _TOLERANCE:
        raise TrainingError(
            f"The exported model has a loss of {served_loss:.3f} in llama.cpp and of "
            f"{own_loss:.3f} in training: this base is not exported rightly, please report it."
        )
    return served_loss


def _loss(model: Any, passages: Sequence[Passage], end: int) -> float:
    """Loss per token of what follows the prompts, in nats."""
    model.eval()
    total, count = 0.0, 0
    with torch.no_grad():
        for passage in passages:
            inputs = {name: part.to(model.device) for name, part in batch([passage], end).items()}
            learned = len(passage.tokens) - passage.prompt
            total += float(model(**inputs).loss) * learned
            count += learned
    return total / count


def _base_folder(folder: Path) -> Path:
    return folder.with_name(f"{folder.name}-base")
