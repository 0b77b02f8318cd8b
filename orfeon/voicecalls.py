"""Calls about voices, as values."""

import base64
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from orfeon import voices
from orfeon.calls import Call, File, Upload, fields

_CLASSIFICATIONS = "audio/classifications"


def classify(file: File, wish: Mapping[str, Any]) -> Call[voices.Classification]:
    """What is heard in a recording."""
    return Call(
        "POST",
        _CLASSIFICATIONS,
        lambda response: voices.classification(response.json()),
        form=_form(wish),
        uploads=(Upload(file),),
    )


def classify_all(
    files: Sequence[File], wish: Mapping[str, Any]
) -> Call[list[voices.Classification]]:
    """What is heard in each of several recordings."""
    return Call(
        "POST",
        _CLASSIFICATIONS,
        lambda response: voices.classifications(response.json()),
        form=_form(wish),
        uploads=tuple(map(Upload, files)),
    )


def timeline(file: File, wish: Mapping[str, Any]) -> Call[None]:
    """The timeline of a recording, as events."""
    form = _form({**wish, "stream": True})
    return Call("POST", _CLASSIFICATIONS, lambda response: None, form=form, uploads=(Upload(file),))


def diarize(
    file: File, known: Mapping[str, File], wish: Mapping[str, Any]
) -> Call[voices.Diarization]:
    """Who speaks when. `known` has a recording of each speaker whose name is known."""
    return Call(
        "POST",
        "audio/diarization",
        lambda response: voices.diarization(response.json()),
        form=_form(wish)
        | {
            "known_speaker_names[]": list(known),
            "known_speaker_references[]": [_data_url(voice) for voice in known.values()],
        },
        uploads=(Upload(file),),
    )


def embed(file: File, wish: Mapping[str, Any]) -> Call[voices.VoiceEmbedding]:
    """The vector of the voice in a recording."""
    return Call(
        "POST",
        "audio/embeddings",
        lambda response: voices.voice_embedding(response.json()),
        form=_form(wish),
        uploads=(Upload(file),),
    )


def find_keywords(
    file: File, keywords: Sequence[str], wish: Mapping[str, Any]
) -> Call[list[voices.KeywordMatch]]:
    """Where words and phrases are said."""
    return Call(
        "POST",
        "audio/keywords",
        lambda response: voices.keyword_matches(response.json()),
        form=_form(wish) | {"keywords[]": list(keywords)},
        uploads=(Upload(file),),
    )


def _form(wish: Mapping[str, Any]) -> dict[str, str | list[str]]:
    told = {
        # As JSON writes them; `1` is no truth.
        name: json.dumps(value) if isinstance(value, bool) else value
        for name, value in wish.items()
    }
    return {**fields(**told)}


def _data_url(file: File) -> str:
    with Upload(file).opened() as (_, content):
        data = content if isinstance(content, bytes) else content.read()
    suffix = Path(file).suffix.lstrip(".") if isinstance(file, str | Path) else ""
    return f"data:audio/{suffix or 'wav'};base64,{base64.b64encode(data).decode()}"
