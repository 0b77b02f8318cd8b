"""Answers against OpenAI's own types, which are made from OpenAI's specification."""

from pathlib import Path

import pytest
from openai.types import Completion, CompletionChoice, CreateEmbeddingResponse, Embedding, Model
from openai.types.audio import TranscriptionSegment, TranscriptionVerbose
from openai.types.chat import ChatCompletion, ChatCompletionChunk
from openai.types.responses import (
    Response,
    ResponseFunctionToolCall,
    ResponseOutputMessage,
    ResponseOutputText,
    ResponseUsage,
)
from pydantic import BaseModel

from gateway.schemas import chat, completions, embeddings, models, responses, transcription

PAIRS: list[tuple[type, type[BaseModel]]] = [
    (chat.ChatCompletion, ChatCompletion),
    (chat.ChatCompletionChunk, ChatCompletionChunk),
    (completions.Completion, Completion),
    (completions.CompletionChoice, CompletionChoice),
    (embeddings.EmbeddingList, CreateEmbeddingResponse),
    (embeddings.Embedding, Embedding),
    (responses.ModelResponse, Response),
    (responses.OutputMessage, ResponseOutputMessage),
    (responses.OutputText, ResponseOutputText),
    (responses.OutputCall, ResponseFunctionToolCall),
    (responses.ResponseUsage, ResponseUsage),
    (models.Model, Model),
    (transcription.VerboseTranscription, TranscriptionVerbose),
]


@pytest.mark.parametrize(("ours", "theirs"), PAIRS, ids=lambda one: one.__name__)
def test_every_field_openai_requires_is_always_there(ours: type, theirs: type[BaseModel]) -> None:
    required = {name for name, field in theirs.model_fields.items() if field.is_required()}
    assert required <= ours.__required_keys__  # type: ignore[attr-defined]


def test_a_segment_has_every_field_openai_requires() -> None:
    required = {
        name for name, field in TranscriptionSegment.model_fields.items() if field.is_required()
    }
    assert required <= transcription.Segment.__required_keys__


def test_no_public_schema_is_a_type_of_the_contracts() -> None:
    folder = Path(chat.__file__).parent
    assert all("orfeon.api" not in path.read_text("utf-8") for path in folder.glob("*.py"))
