"""Who plays a genre: General MIDI instruments, how loud each is and where it stands."""

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field

from services.melody.composition import Part


class Instrument(BaseModel):
    """A player of the band."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    program: Annotated[int, Field(ge=0, le=127)]
    """General MIDI's number, counted from 0."""
    gain_db: Annotated[float, Field(ge=-40, le=12)] = 0.0
    """A matter of taste: at 0 every instrument is as loud as its part should be."""
    pan: Annotated[float, Field(ge=-1, le=1)] = 0.0
    """From -1, left, to 1, right."""


class DrumKit(Instrument):
    """The drummer."""

    program: Literal[0, 8, 16, 24, 25, 32, 40, 48] = 0
    """Standard, room, power, electronic, TR-808, jazz, brush or orchestra."""


class Band(BaseModel):
    """An instrument for each part. The notes of chords are the composer's, see `Passage`."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    lead: Instrument
    chords: Instrument
    bass: Instrument
    drums: DrumKit = DrumKit()

    def instrument(self, part: Part) -> Instrument:
        """Who plays a part."""
        players: dict[Part, Instrument] = {
            "lead": self.lead,
            "chords": self.chords,
            "bass": self.bass,
            "drums": self.drums,
        }
        return players[part]
