"""What file names, folders and tables tell of clips."""

from pathlib import Path

import pytest

from services.emotion.corpora import (
    CORPORA,
    CorpusError,
    Labelling,
    Recording,
    read,
    recognise,
)
from services.emotion.corpora.labels import labels_of

#: A few real names of each corpus: path, our label, speaker.
NAMES = {
    "ravdess": [
        ("Actor_12/03-01-05-02-01-01-12.wav", "angry", "12"),
        ("Actor_07/03-01-02-01-02-01-07.flac", "calm", "07"),
        ("Actor_07/03-01-08-01-02-01-07.flac", "surprised", "07"),
    ],
    "crema-d": [
        ("1001_DFA_ANG_XX.wav", "angry", "1001"),
        ("1040_ITH_SAD_X.wav", "sad", "1040"),
        ("AudioWAV/1091_IEO_FEA_MD.wav", "fearful", "1091"),
        ("AudioWAV/1002_WSI_DIS_XX.wav", "disgust", "1002"),
    ],
    "tess": [
        ("OAF_Pleasant_surprise/OAF_back_ps.wav", "surprised", "OAF"),
        ("OAF_neutral/OA_bite_neutral.wav", "neutral", "OAF"),
        ("YAF_fear/YAF_home_fear.wav", "fearful", "YAF"),
    ],
    "savee": [
        ("AudioData/DC/a01.wav", "angry", "DC"),
        ("AudioData/JE/sa11.wav", "sad", "JE"),
        ("ALL/KL_su15.wav", "surprised", "KL"),
        ("ALL/JK_n30.wav", "neutral", "JK"),
    ],
    "aesdd": [
        ("anger/a03 (4).wav", "angry", "4"),
        ("fear/f18 (5)b.wav", "fearful", "5"),
        ("sadness/s20 (6).wav", "sad", "6"),
    ],
    "emodb": [
        ("03a01Fa.wav", "happy", "03"),
        ("wav/16b10Lb.wav", "bored", "16"),
        ("wav/11a02Ac.wav", "fearful", "11"),
    ],
    "mesd": [
        ("Anger_C_A_abajo.wav", "angry", "C"),
        ("Happiness_F_B_amor.wav", "happy", "F"),
        ("Sadness_M_A_basta.wav", "sad", "M"),
    ],
    "emovo": [
        ("f1/dis-f1-b1.wav", "disgust", "F1"),
        ("m3/tri-m3-n5.wav", "sad", "M3"),
        ("m2/gio-m2-l4.wav", "happy", "M2"),
    ],
    "urdu": [
        ("Angry/SM1_F10_A010.wav", "angry", "SM1"),
        ("Sad/SF3_F2_S02.wav", "sad", "SF3"),
        ("Happy/Sm27_F6_H06.wav", "happy", "SM27"),
    ],
}


def put(folder: Path, name: str, content: str = "") -> Path:
    path = folder / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(content or name)
    return path


def told(recordings: list[Recording], folder: Path) -> set[tuple[str, str, str]]:
    return {(str(r.path.relative_to(folder)), r.label, r.speaker) for r in recordings}


def test_every_corpus_has_names_here() -> None:
    assert NAMES.keys() == CORPORA.keys()


@pytest.mark.parametrize("name", NAMES)
def test_a_corpus_is_recognised_and_read_by_its_names(tmp_path: Path, name: str) -> None:
    for path, _, _ in NAMES[name]:
        put(tmp_path, path)
    put(tmp_path, "README.txt")
    found = recognise(tmp_path)
    assert found is CORPORA[name]
    assert told(read(tmp_path), tmp_path) == {
        (path, label, f"{name}/{speaker}") for path, label, speaker in NAMES[name]
    }


@pytest.mark.parametrize("name", NAMES)
def test_no_corpus_takes_the_clips_of_another_for_its_own(name: str) -> None:
    for path, _, _ in NAMES[name]:
        takers = [corpus.name for corpus in CORPORA.values() if corpus.recording(Path(path))]
        assert takers == [name]


@pytest.mark.parametrize("name", NAMES)
def test_the_example_that_errors_show_is_one(tmp_path: Path, name: str) -> None:
    corpus = CORPORA[name]
    assert corpus.recording(Path(corpus.example)) is not None
    with pytest.raises(CorpusError, match=corpus.title):
        corpus.recordings(tmp_path)


def test_songs_and_videos_of_ravdess_are_no_speech() -> None:
    assert CORPORA["ravdess"].recording(Path("03-02-05-02-01-01-12.wav")) is None
    assert CORPORA["ravdess"].recording(Path("01-01-05-02-01-01-12.wav")) is None


def test_what_came_before_under_another_name_is_left_out(tmp_path: Path) -> None:
    put(tmp_path, "03-01-03-01-02-01-07.flac", "the same")
    put(tmp_path, "03-01-03-01-02-02-07.flac", "the same")
    put(tmp_path, "03-01-05-01-02-02-07.flac", "another!")
    assert [r.path.name for r in read(tmp_path)] == [
        "03-01-03-01-02-01-07.flac",
        "03-01-05-01-02-02-07.flac",
    ]


def test_folders_are_labels_and_those_within_are_speakers(tmp_path: Path) -> None:
    put(tmp_path, "yes/a.wav")
    put(tmp_path, "yes/ann/b.OGG")
    put(tmp_path, "no/bob/deep/c.mp3")
    put(tmp_path, "no/notes.txt")
    assert recognise(tmp_path) is None
    name = tmp_path.name
    assert told(read(tmp_path), tmp_path) == {
        ("yes/a.wav", "yes", ""),
        ("yes/ann/b.OGG", "yes", f"{name}/ann"),
        ("no/bob/deep/c.mp3", "no", f"{name}/bob"),
    }


def test_a_table_tells_label_speaker_and_split(tmp_path: Path) -> None:
    put(tmp_path, "clips/a.wav")
    put(tmp_path, "clips/b.wav")
    table = put(
        tmp_path,
        "mine.csv",
        "\ufeffpath,label,speaker,split\nclips/a.wav,yes,ann,train\nclips/b.wav,no,,\n",
    )
    assert read(table) == [
        Recording(tmp_path / "clips/a.wav", "yes", "mine/ann", "train"),
        Recording(tmp_path / "clips/b.wav", "no", "", ""),
    ]


def test_a_clip_that_is_not_there_stays_for_whoever_decodes_it(tmp_path: Path) -> None:
    table = put(tmp_path, "mine.csv", "path,label\nnowhere.wav,yes\ngone.wav,no\n")
    assert len(read(table)) == 2


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        ("file,label\na.wav,yes\n", "no column path"),
        ("path,emotion\na.wav,yes\n", "no column label"),
        ("path,label\n", "no rows"),
        ("path,label\na.wav,\n", "line 2: a row needs"),
        ("path,label\na.wav\n", "line 2: a row needs"),
        ("path,label,split\na.wav,yes,testing\n", "split is 'testing'"),
        ("\x00", "mine.csv"),
    ],
)
def test_a_table_with_a_mistake_is_named(tmp_path: Path, content: str, sentence: str) -> None:
    with pytest.raises(CorpusError, match=sentence):
        read(put(tmp_path, "mine.csv", content))


def test_a_table_that_is_no_text_is_named(tmp_path: Path) -> None:
    (tmp_path / "mine.csv").write_bytes(b"\xff\xfe\xff")
    with pytest.raises(CorpusError, match="cannot be read as a table"):
        read(tmp_path / "mine.csv")


def test_a_folder_without_clips_is_named(tmp_path: Path) -> None:
    with pytest.raises(CorpusError, match="does not exist"):
        read(tmp_path / "nowhere")
    with pytest.raises(CorpusError, match="holds no audio"):
        read(tmp_path)
    put(tmp_path, "a.wav")
    with pytest.raises(CorpusError, match="called as its label"):
        read(tmp_path)
    with pytest.raises(CorpusError, match="not a folder"):
        recognise(tmp_path / "a.wav")


def clips(*labels: str) -> list[Recording]:
    return [Recording(Path(f"{at}.wav"), label) for at, label in enumerate(labels)]


def test_labels_are_merged_renamed_and_left_out() -> None:
    labelling = Labelling.parse("calm=neutral", " surprised,", "neutral,happy,sad")
    kept = labelling(clips("calm", "neutral", "surprised", "happy", "sad", "angry"))
    assert [each.label for each in kept] == ["neutral", "neutral", "happy", "sad"]


def test_of_several_corpora_each_may_lack_what_another_has() -> None:
    labelling = Labelling.parse("calm=neutral", "bored")
    first, second = labelling.each(clips("calm", "happy"), clips("bored", "happy"))
    assert [each.label for each in first] == ["neutral", "happy"]
    assert [each.label for each in second] == ["happy"]
    with pytest.raises(CorpusError, match="'bored'"):
        labelling.each(clips("calm"), clips("happy"))


def test_without_wishes_labels_stay() -> None:
    assert Labelling.parse("")(clips("a", "b")) == clips("a", "b")


@pytest.mark.parametrize(
    ("merge", "drop", "keep", "sentence"),
    [
        ("calm", "", "", "renames no label"),
        ("=neutral", "", "", "renames no label"),
        ("calm=", "", "", "renames no label"),
        ("clam=neutral", "", "", "'clam', which is to be renamed or left out; the labels are calm"),
        ("", "clam", "", "'clam', which is to be renamed or left out"),
        ("", "", "happy,joyful", "'joyful', which is to be kept"),
        ("", "calm,happy", "", "No recording is left"),
    ],
)
def test_labels_that_do_not_fit_are_named(merge: str, drop: str, keep: str, sentence: str) -> None:
    with pytest.raises(CorpusError, match=sentence):
        Labelling.parse(merge, drop, keep)(clips("calm", "happy"))


def test_labels_come_in_our_order() -> None:
    assert labels_of(clips("zeal", "sad", "bored", "calm", "neutral")) == [
        "neutral", "calm", "sad", "bored", "zeal",
    ]  # fmt: skip
