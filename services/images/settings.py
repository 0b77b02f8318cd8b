"""What the images container can be told."""

from typing import Annotated, Literal

from pydantic import Field
from pydantic_settings import SettingsConfigDict

from services.runtime.settings import TritonSettings


class ImagesSettings(TritonSettings):
    """Read from variables named `ORFEON_IMAGES_<FIELD>`."""

    model_config = SettingsConfigDict(env_prefix="ORFEON_IMAGES_", frozen=True, extra="ignore")

    device: Literal["auto", "cpu", "cuda"] = "auto"
    """Where models may run; auto takes a GPU that torch finds."""
    max_side: Annotated[int, Field(ge=64)] = 2048
    """Longest side of an image that may be asked for, pixels."""
    url_seconds: Annotated[int, Field(ge=1)] = 3600
    """How long an image that is asked for as a URL is kept."""
    url_bytes: Annotated[int, Field(gt=0)] = 2 * 2**30
    """Bytes that kept images may take together. One that has no room is refused with 507; none
    goes before its time."""
    url_share: Annotated[float, Field(gt=0, le=1)] = 0.25
    """Share of `url_bytes` that the images of one key may take."""
