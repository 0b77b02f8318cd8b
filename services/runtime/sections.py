"""The parts of a lyric: their names, and their numbers in the contract."""

from typing import Literal, get_args

from orfeon.api.lyrics.v1 import lyrics_pb2

Kind = Literal["intro", "verse", "pre-chorus", "chorus", "bridge", "outro"]
KINDS: tuple[Kind, ...] = get_args(Kind)

KIND_NAMES: dict["lyrics_pb2.SectionKind.ValueType", Kind] = {
    lyrics_pb2.SECTION_KIND_INTRO: "intro",
    lyrics_pb2.SECTION_KIND_VERSE: "verse",
    lyrics_pb2.SECTION_KIND_PRE_CHORUS: "pre-chorus",
    lyrics_pb2.SECTION_KIND_CHORUS: "chorus",
    lyrics_pb2.SECTION_KIND_BRIDGE: "bridge",
    lyrics_pb2.SECTION_KIND_OUTRO: "outro",
}
KIND_NUMBERS: dict[str, "lyrics_pb2.SectionKind.ValueType"] = {
    name: number for number, name in KIND_NAMES.items()
}
