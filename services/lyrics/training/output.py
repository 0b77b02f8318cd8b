"""What a training leaves in its folder: a model's folder like any other, and its model card."""

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import yaml

from services.lyrics.genre import Genre
from services.lyrics.training.base import WEIGHTS, Base
from services.lyrics.training.recipe import Recipe
from services.runtime.manifest import ADAPTER, Manifest
from services.runtime.training.history import History

#: Bytes that llama.cpp takes beside weights and cache; an estimate, as good as one needs.
_BESIDE = 64_000_000
_LONGEST_CONTEXT = 2048


@dataclass(frozen=True, slots=True)
class Outcome:
    """What came of a training. `songs` are those trained on and those held out."""

    name: str
    recipe: Recipe
    base: Base
    genre: Genre
    licence: str
    songs: tuple[int, int]
    history: History
    served_loss: float
    """Of the exported model in llama.cpp, in nats per token, over some held-out passages."""


def write_profile(folder: Path, outcome: Outcome, base: str) -> None:
    """Makes `folder` a genre: the base called `base`, and the adapter that lies there."""
    size = (folder / ADAPTER).stat().st_size
    _write(
        folder,
        _about(outcome)
        | {
            "base": base,
            "memory_bytes": size,
            "files": {ADAPTER: {"size": size, "sources": [{"local": ADAPTER}]}},
            "options": _options(outcome.genre),
        },
    )


def write_genre(folder: Path, outcome: Outcome, config: Any) -> None:
    """Makes `folder` a genre with the whole model that lies there. `config` is transformers'."""
    _write(
        folder,
        _about(outcome)
        | _whole(folder / WEIGHTS, config)
        | {"files": _weights(folder / WEIGHTS, WEIGHTS), "options": _options(outcome.genre)},
    )


def write_base(folder: Path, outcome: Outcome, weights: Path, config: Any) -> None:
    """Makes `folder` a model for genres to share: the GGUF file `weights`, wherever it lies."""
    folder.mkdir(parents=True, exist_ok=True)
    here = weights.parent == folder
    _write(
        folder,
        {
            "name": folder.name,
            "capability": "lyrics",
            "tasks": ["text"],
            "description": f"The base of {outcome.name}.",
            "owned_by": outcome.base.owned_by,
            "licence": outcome.base.licence,
            "languages": [outcome.recipe.language or "en"],
        }
        | _whole(weights, config)
        | {"files": _weights(weights, weights.name if here else str(weights))},
    )


def card(outcome: Outcome) -> str:
    """The model card, in Markdown. It names no file and no folder of the machine."""
    recipe, (trained, held_out) = outcome.recipe, outcome.songs
    first, last = outcome.history.held_out[0][1], outcome.history.held_out[-1][1]
    what = (
        f"A LoRA adapter (rank {recipe.rank}, alpha {recipe.alpha}, attention) for"
        if recipe.method == "lora"
        else "All weights fine-tuned, of"
    )
    settings = {
        key.replace("_", " "): value
        for key, value in asdict(recipe).items()
        if key not in ("method", "data", "base", "genre", "prompt")
        and (recipe.method == "lora" or key not in ("rank", "alpha"))
    }
    rows = "\n".join(f"| {key} | {value} |" for key, value in settings.items())
    return f"""# {outcome.name}

Lyrics of the genre *{recipe.genre}*. {what} {outcome.base.model or Path(recipe.base).name}.

## Use

Put this folder below `<home>/models/` under its name and start `orfeon serve` anew; then
`POST /v1/lyrics` with `"genre": "{outcome.name}"`.

## Licence

{outcome.licence}. The base is under: {outcome.base.licence}. Lyrics are somebody's work: what was
trained on them may be bound by their terms.

## Data

{trained} songs tagged *{recipe.genre}* trained on, {held_out} held out: every tenth of the table,
each song once. An artist may have songs in both parts.

## Settings

| setting | value |
|---|---|
{rows}

Loss is over lyrics only, never over prompts.

## Figures

| | held-out loss | perplexity per token |
|---|---|---|
| base | {first:.3f} | {math.exp(first):.2f} |
| trained | {last:.3f} | {math.exp(last):.2f} |

As exported, in llama.cpp, on some of those passages: {outcome.served_loss:.3f}.

![Loss](loss.png)
"""


def _about(outcome: Outcome) -> dict[str, Any]:
    return {
        "name": outcome.name,
        "capability": "lyrics",
        "tasks": ["lyrics"],
        "description": f"Lyrics of the genre {outcome.recipe.genre}, trained.",
        "owned_by": "local",
        "licence": outcome.licence,
        "languages": [outcome.recipe.language or "en"],
    }


def _whole(weights: Path, config: Any) -> dict[str, Any]:
    context = min(config.max_position_embeddings, _LONGEST_CONTEXT)
    width = config.hidden_size // config.num_attention_heads
    heads = getattr(config, "num_key_value_heads", config.num_attention_heads)
    cache = 2 * 2 * config.num_hidden_layers * heads * width * context
    return {
        "engine": "llama-cpp",
        "context_length": context,
        "memory_bytes": weights.stat().st_size + cache + _BESIDE,
        "layers": config.num_hidden_layers,
    }


def _weights(file: Path, local: str) -> dict[str, Any]:
    return {WEIGHTS: {"size": file.stat().st_size, "sources": [{"local": local}]}}


def _options(genre: Genre) -> dict[str, Any]:
    return genre.model_dump(mode="json", exclude_defaults=True)


def _write(folder: Path, manifest: Mapping[str, Any]) -> None:
    Manifest.model_validate(manifest)
    text = yaml.safe_dump(dict(manifest), sort_keys=False, allow_unicode=True, width=100)
    (folder / "model.yaml").write_text(text, "utf-8")
