"""The text of the findings about maps that number objects."""

from collections.abc import Callable

import pandas as pd

from ocrnet.config import Params

Describe = Callable[[pd.DataFrame, pd.DataFrame, Params], list[str]]
NAMED = 5  # files in a line about many files


def _unreadable(failing: pd.DataFrame, table: pd.DataFrame, params: Params) -> list[str]:
    return [str(error) for error in failing["instances_error"].dropna()]


def _sizes(failing: pd.DataFrame, table: pd.DataFrame, params: Params) -> list[str]:
    return [
        f"{row['instances']}: the map of objects is {row['instances_width']:.0f}x{row['instances_height']:.0f}, the "
        f"mask is {row['label_width']:.0f}x{row['label_height']:.0f}. Export both at one size."
        for row in failing.to_dict("records")
    ]


def _unnumbered(failing: pd.DataFrame, table: pd.DataFrame, params: Params) -> list[str]:
    things = ", ".join(params.data.things)
    return [
        f"{row['instances']}: {row['unnumbered_px']:.0f} px of {things} have no object, first at "
        f"x={row['unnumbered_x']:.0f} y={row['unnumbered_y']:.0f}. Number them, or ignore them in the mask."
        for row in failing.to_dict("records")
    ]


def _mixed(failing: pd.DataFrame, table: pd.DataFrame, params: Params) -> list[str]:
    return [
        f"{row['instances']}: object {row['mixed_number']:.0f} (first at x={row['mixed_x']:.0f} "
        f"y={row['mixed_y']:.0f}) covers two classes of the mask{_others(row['mixed_objects'])}. "
        "Give each class an object of its own."
        for row in failing.to_dict("records")
    ]


def _others(count: float) -> str:
    return f", and so do {count - 1:.0f} more objects" if count > 1 else ""


def _missing(failing: pd.DataFrame, table: pd.DataFrame, params: Params) -> list[str]:
    names = ", ".join(failing["image"].head(NAMED))
    more = f" and {len(failing) - NAMED} more" if len(failing) > NAMED else ""
    return [
        f"{len(failing)} of {len(table)} images have no map of objects: {names}{more}. Add the maps; or move the "
        "folder of the others out of data.path, and objects are connected components."
    ]


DESCRIBE_INSTANCES: dict[str, Describe] = {
    "E141": _unreadable, "E142": _sizes, "E143": _unnumbered, "E144": _mixed, "E145": _missing,
}  # fmt: skip
