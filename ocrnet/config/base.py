"""What the sections share: frozen objects, and the kinds of numbers.

Lengths are in pixels as (height, width), times in seconds, rates and shares in [0, 1].
"""

from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field

Share = Annotated[float, Field(ge=0.0, le=1.0)]
Positive = Annotated[float, Field(gt=0.0)]
Count = Annotated[int, Field(ge=1)]
Seed = Annotated[int, Field(ge=0)]
Size = tuple[Count, Count]


class Section(BaseModel):
    """A frozen section of `params.yaml`."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False, strict=False)
