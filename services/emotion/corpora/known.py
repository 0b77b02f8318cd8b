"""Nine corpora of emotional speech, each by the convention of its file names.

docs/emotion-evaluation.md tells where each convention is written down, and how their labels map
onto ours.
"""

import re
from dataclasses import dataclass
from pathlib import Path

from services.emotion.corpora.recording import CorpusError, Recording, clips, distinct


@dataclass(frozen=True)
class Corpus:
    """A corpus whose file names tell emotion and speaker.

    `pattern` matches the last folder and the name without its suffix, `Actor_12/03-01-05-...`; its
    group `emotion` is looked up in `labels` in lower case, and its group `speaker` is who speaks.
    """

    name: str
    title: str
    example: str
    pattern: re.Pattern[str]
    labels: dict[str, str]

    def recording(self, path: Path) -> Recording | None:
        """What the path tells, or None where it is called otherwise."""
        match = self.pattern.fullmatch(f"{path.parent.name}/{path.stem}")
        if match is None:
            return None
        label = self.labels[match["emotion"].lower()]
        return Recording(path, label, f"{self.name}/{self._speaker(match['speaker'])}")

    def recordings(self, folder: Path) -> list[Recording]:
        """The clips of this corpus below `folder`, each once, in the order of their names.

        Raises `CorpusError`.
        """
        found = [recording for path in clips(folder) if (recording := self.recording(path))]
        if not found:
            raise CorpusError(f"{folder} holds no clip of {self.title}, such as {self.example}.")
        return distinct(found)

    def _speaker(self, written: str) -> str:
        # One clip of TESS has a typing error, and URDU writes some of its names in lower case.
        return {"OA": "OAF"}.get(written.upper(), written.upper())


def _corpus(name: str, title: str, example: str, pattern: str, labels: str) -> Corpus:
    """`labels` is their code and our word in turn."""
    words = labels.split()
    codes = dict(zip(words[::2], words[1::2], strict=True))
    alternatives = "|".join(sorted(codes, key=len, reverse=True))
    compiled = re.compile(pattern.replace("EMOTION", f"(?P<emotion>{alternatives})"), re.IGNORECASE)
    return Corpus(name, title, example, compiled, codes)


CORPORA = {
    corpus.name: corpus
    for corpus in (
        # modality (03 audio) - channel (01 speech) - emotion - intensity - statement -
        # repetition - actor
        _corpus(
            "ravdess", "RAVDESS", "Actor_12/03-01-05-02-01-01-12.wav",
            r".*/03-01-EMOTION-\d\d-\d\d-\d\d-(?P<speaker>\d\d)",
            "01 neutral 02 calm 03 happy 04 sad 05 angry 06 fearful 07 disgust 08 surprised",
        ),
        # actor _ sentence _ emotion _ intensity; one clip's intensity is a single X
        _corpus(
            "crema-d", "CREMA-D", "1001_DFA_ANG_XX.wav",
            r".*/(?P<speaker>\d{4})_[A-Z]{3}_EMOTION_(?:LO|MD|HI|XX?)",
            "neu neutral hap happy sad sad ang angry fea fearful dis disgust",
        ),
        # actress (older, younger) _ word _ emotion; ps is a pleasant surprise
        _corpus(
            "tess", "TESS", "OAF_angry/OAF_back_angry.wav",
            r".*/(?P<speaker>OAF|YAF|OA)_[a-z]+_EMOTION",
            "neutral neutral happy happy sad sad angry angry fear fearful disgust disgust "
            "ps surprised",
        ),
        # speaker / emotion sentence; in flat copies speaker _ emotion sentence
        _corpus(
            "savee", "SAVEE", "DC/a01.wav",
            r"(?:.*/)?(?P<speaker>DC|JE|JK|KL)[/_]EMOTION\d\d",
            "n neutral h happy sa sad a angry f fearful d disgust su surprised",
        ),
        # emotion utterance (speaker), and a letter where there are two takes
        _corpus(
            "aesdd", "AESDD", "anger/a03 (4).wav",
            r".*/EMOTION\d\d \((?P<speaker>\d+)\)[a-z]?",
            "h happy s sad a angry f fearful d disgust",
        ),
        # speaker, text, emotion by its German word, version
        _corpus(
            "emodb", "EMO-DB", "03a01Fa.wav",
            r".*/(?P<speaker>\d\d)[ab]\d\dEMOTION[a-z]?",
            "n neutral f happy t sad w angry a fearful e disgust l bored",
        ),
        # emotion _ voice (female, male, child) _ corpus (A, B) _ word: voices, not speakers
        _corpus(
            "mesd", "MESD", "Anger_F_A_abajo.wav",
            r".*/EMOTION_(?P<speaker>[FMC])_[AB]_.+",
            "neutral neutral happiness happy sadness sad anger angry fear fearful disgust disgust",
        ),
        # emotion by its Italian word - speaker - sentence
        _corpus(
            "emovo", "EMOVO", "f1/dis-f1-b1.wav",
            r".*/EMOTION-(?P<speaker>[fm]\d)-[bdln]\d",
            "neu neutral gio happy tri sad rab angry pau fearful dis disgust sor surprised",
        ),
        # speaker, S with M or F and a number _ file of the speaker _ emotion and number
        _corpus(
            "urdu", "URDU", "Angry/SM1_F10_A010.wav",
            r".*/(?P<speaker>S[MF]\d+)_F\d+_EMOTION\d+",
            "n neutral h happy s sad a angry",
        ),
    )
}  # fmt: skip
