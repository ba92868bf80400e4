"""What the sections share: frozen objects, and the kinds of numbers.

Lengths are in pixels as (height, width), times in seconds, rates and shares in [0, 1].
"""

from typing import Annotated, Any

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, Strict


def _refuse_bool(value: Any) -> Any:
    if isinstance(value, bool):
        raise ValueError(f"found {str(value).lower()}, expected a number.")
    return value


# Bounds that no sensible value meets catch a slip of the finger, such as a learning rate of 1e9.
Number = BeforeValidator(_refuse_bool)  # pydantic takes true for 1
Share = Annotated[float, Number, Field(ge=0.0, le=1.0)]
PartialShare = Annotated[float, Number, Field(ge=0.0, lt=1.0)]
Positive = Annotated[float, Number, Field(gt=0.0)]
Weight = Annotated[float, Number, Field(ge=0.0, le=1e6)]
Rate = Annotated[float, Number, Field(gt=0.0, le=10.0)]
Power = Annotated[float, Number, Field(ge=0.0, le=20.0)]
Count = Annotated[int, Number, Field(ge=1, le=10**9)]
Workers = Annotated[int, Number, Field(ge=0, le=128)]
Processes = Annotated[int, Number, Field(ge=1, le=1024)]
# DVC passes a seed on as it is written: 0.0 would name another cell than 0.
Seed = Annotated[int, Strict(), Field(ge=0, lt=2**63)]
Side = Annotated[int, Number, Field(ge=8, le=65_536)]
Size = tuple[Side, Side]

MAX_PIXELS = 25_000_000  # of an image that is decoded, where nothing else is said: 5000 x 5000
PILLOW_PIXELS = 178_956_970  # Pillow refuses what is larger
PixelLimit = Annotated[int, Field(ge=1, le=PILLOW_PIXELS)]


class Section(BaseModel):
    """A frozen section of `params.yaml`."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False, strict=False)
