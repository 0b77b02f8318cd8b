"""What every page is given."""

from dataclasses import dataclass

from services.studio.caller import Gateway
from services.studio.sessions import Sessions
from services.studio.settings import StudioSettings

#: Where the web app lives on its host, beside the gateway's `/v1`.
BASE = "/studio"


@dataclass(frozen=True, slots=True)
class Studio:
    """The parts of the web app."""

    settings: StudioSettings
    sessions: Sessions
    gateway: Gateway
