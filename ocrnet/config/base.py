"""The base class of the sections, and the kinds of numbers.

Lengths are in pixels as (height, width), times in seconds, shares in [0, 1].
"""

from typing import Annotated, Any

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, Strict


def _refuse_bool(value: Any) -> Any:
    if isinstance(value, bool):
        raise ValueError(f"found {str(value).lower()}, expected a number.")
    return value


# Bounds that no sensible value reaches find typing errors, such as a learning rate of 1e9.
Number = BeforeValidator(_refuse_bool)  # pydantic reads true as 1
Share = Annotated[float, Field(ge=0.0, le=1.0), Number]
PartialShare = Annotated[float, Field(ge=0.0, lt=1.0), Number]
Positive = Annotated[float, Field(gt=0.0), Number]
Weight = Annotated[float, Field(ge=0.0, le=1e6), Number]
Rate = Annotated[float, Field(gt=0.0, le=10.0), Number]
Power = Annotated[float, Field(ge=0.0, le=20.0), Number]
Count = Annotated[int, Field(ge=1, le=10**9), Number]
Workers = Annotated[int, Field(ge=0, le=128), Number]
Processes = Annotated[int, Field(ge=1, le=1024), Number]
# DVC passes a seed on as text: 0.0 would name another cell than 0.
Seed = Annotated[int, Strict(), Field(ge=0, lt=2**63)]
Side = Annotated[int, Field(ge=8, le=65_536), Number]
Size = tuple[Side, Side]

MAX_PIXELS = 25_000_000  # default limit of a decoded image: 5000 x 5000
PILLOW_PIXELS = 178_956_970  # Pillow refuses larger images
PixelLimit = Annotated[int, Field(ge=1, le=PILLOW_PIXELS)]


class Section(BaseModel):
    """A frozen section of `params.yaml`; its keys have no defaults."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False, strict=False)
