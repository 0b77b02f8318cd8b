"""Lead sheets, before the format's own schema and before a library that reads scores."""

import warnings
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pytest
import xmlschema

from services.melody.composition import BEATS
from services.melody.musicxml import musicxml
from tests.fakes.tunes import tune


@pytest.fixture
def document(tmp_path: Path) -> Path:
    path = tmp_path / "melody.musicxml"
    path.write_bytes(musicxml(*tune()))
    return path


def test_a_lead_sheet_is_what_the_schema_of_musicxml_allows(document: Path) -> None:
    found = find_spec("partitura")
    assert found is not None
    assert found.origin is not None
    schema = xmlschema.XMLSchema(str(Path(found.origin).parent / "assets" / "musicxml.xsd"))
    assert [error.reason for error in schema.iter_errors(str(document))] == []


def test_partitura_reads_the_notes_back(document: Path) -> None:
    with warnings.catch_warnings():
        # What partitura imports is old-fashioned, which is not our affair.
        warnings.simplefilter("ignore")
        import partitura
        from partitura.score import ChordSymbol, KeySignature

        lead, bass = partitura.load_musicxml(document).parts
        notes, deep = lead.note_array(), bass.note_array()
    expected, beat = [], 0
    for passage in tune()[1]:
        expected += [(beat + note.start, note.pitch) for note in passage.parts["lead"]]
        beat += passage.bars * BEATS

    onsets, pitches = np.array(expected).T
    assert np.array_equal(notes["onset_quarter"], onsets)
    assert np.array_equal(notes["pitch"], pitches)
    assert len(deep) == beat
    assert [key.name for key in lead.iter_all(KeySignature)] == ["Am"]
    assert len(list(lead.iter_all(ChordSymbol))) == 10
