"""The sections about the data: its description, its checks, its canonical form."""

import re
from pathlib import PurePosixPath
from typing import Annotated, Any, Literal

from pydantic import Field, field_validator, model_validator

from ocrnet.config.base import Count, Number, PixelLimit, Section, Seed, Share, Size
from ocrnet.config.class_names import check_class_names
from ocrnet.errors.near_names import hint

Images = Annotated[int, Field(ge=1, le=10**6), Number]

Level = Annotated[int, Field(ge=0, le=255)]


class DataParams(Section):
    """Description of the images and their label maps."""

    source: str  # a name in ocrnet/raw/sources
    path: Annotated[str, Field(min_length=1)]
    unlabelled: str | None  # folder of images without label maps, below path
    # images of the source that have no label map
    without_label_map: Literal["error", "unlabelled", "drop"]
    classes: tuple[str, ...]
    num_classes: int | None = None  # a cross-check, and the only key that may be missing
    # raw id, "r,g,b" of an RGB label map, or category of an annotation -> class or "ignore"
    label_map: dict[int | str, str]
    things: tuple[str, ...]  # classes whose objects are told apart and scored
    background: str | None  # class, or "ignore", of pixels that no annotation covers
    overlap: Literal[
        "area", "order"
    ]  # which of two overlapping objects is on top: the smaller, or the later one
    ignore_index: Annotated[int, Field(ge=0, le=255)]
    palette: Literal["auto"] | tuple[tuple[Level, Level, Level], ...]
    value_range: tuple[float, float] | None  # [low, high] of images deeper than 8 bits
    exif: Literal["error", "apply", "ignore"]
    # transparent pixels of images: their hidden colours (ignore), or a black or white background
    alpha: Literal["error", "ignore", "black", "white"]
    extra_bands: Literal["error", "drop"]  # bands beyond red, green, blue and alpha
    group_by: str | None  # regex on the id; its first group keeps images in one split
    allow_duplicates: bool
    max_pixels: (
        PixelLimit  # largest number of pixels of an image; a larger one is refused by its header
    )
    crop_size: Size

    @model_validator(mode="before")
    @classmethod
    def _refuse_reduce_zero_label(cls, values: Any) -> Any:
        if isinstance(values, dict) and "reduce_zero_label" in values:
            names = [str(name) for name in values.get("classes", [])]
            table = ", ".join(["0: ignore", *(f"{i + 1}: {name}" for i, name in enumerate(names))])
            raise ValueError(
                f"E103 reduce_zero_label is not supported. Set data.label_map: {{{table}}}"
            )
        if isinstance(values, dict) and values.get("ignore_index") == -1:
            raise ValueError(
                "ignore_index is -1, but label maps are written with 8 bits. Set data.label_map: {-1: ignore} and "
                "ignore_index: 255."
            )
        if isinstance(values, dict) and isinstance(values.get("crop_size"), int):
            values = {**values, "crop_size": (values["crop_size"], values["crop_size"])}
        return values

    @field_validator("classes", mode="before")
    @classmethod
    def _check_classes(cls, names: Any) -> Any:
        if not isinstance(names, list | tuple):
            raise ValueError(f"found {names!r}, expected a list such as [background, defect].")
        other = [name for name in names if not isinstance(name, str)]
        if other:
            raise ValueError(
                f"found {list(names)!r}: {other[0]!r} is no text. Name what a pixel shows, such as "
                "[background, defect]; the index in the list is the class id."
            )
        check_class_names(names)
        return names

    @field_validator("label_map", mode="before")
    @classmethod
    def _check_label_map(cls, label_map: Any) -> Any:
        keys = label_map if isinstance(label_map, dict) else {}
        odd = [key for key in keys if isinstance(key, bool) or not isinstance(key, int | str)]
        if odd:
            raise ValueError(f'keys {odd} are neither ids (11) nor colours ("128,64,128").')
        return label_map

    @field_validator("palette")
    @classmethod
    def _check_palette(cls, palette: Any) -> Any:
        twice = [] if palette == "auto" else [c for c in palette if palette.count(c) > 1]
        if twice:
            raise ValueError(
                f"the colour {list(twice[0])} is a duplicate. Give each class another colour."
            )
        return palette

    @model_validator(mode="after")
    def _check(self) -> "DataParams":
        if self.num_classes not in (None, len(self.classes)):
            raise ValueError(
                f"num_classes is {self.num_classes} but classes has {len(self.classes)} entries. Remove num_classes."
            )
        if self.ignore_index < len(self.classes):
            raise ValueError(
                f"ignore_index {self.ignore_index} is the id of class {self.classes[self.ignore_index]!r}. Use 255."
            )
        unknown = sorted(set(self.label_map.values()) - {*self.classes, "ignore"})
        if unknown:
            raise ValueError(
                f"label_map names {unknown}, which are not in classes."
                f"{hint(unknown[0], ('ignore', *self.classes))} Known: ignore, {', '.join(self.classes)}."
            )
        if self.background is not None and self.background not in ("ignore", *self.classes):
            raise ValueError(
                f"background is {self.background!r}, which is not in classes."
                f"{hint(self.background, ('ignore', *self.classes))} Known: ignore, {', '.join(self.classes)}."
            )
        if self.palette != "auto" and len(self.palette) != len(self.classes):
            raise ValueError(
                f"palette has {len(self.palette)} colours for {len(self.classes)} classes. Write one per class."
            )
        if self.value_range is not None and self.value_range[0] >= self.value_range[1]:
            raise ValueError(
                f"value_range {list(self.value_range)} is not [low, high]. Write the lower value first."
            )
        return self

    @field_validator("unlabelled")
    @classmethod
    def _check_unlabelled(cls, folder: str | None) -> str | None:
        # DVC cannot depend on a folder that may be missing, so this one is a part of data.path.
        parts = None if folder is None else PurePosixPath(folder).parts
        if parts is not None and (not parts or ".." in parts or parts[0] == "/"):
            raise ValueError(
                f"found {folder!r}, expected a folder below data.path, such as unlabelled. Move or copy the images "
                "there."
            )
        return folder

    @model_validator(mode="after")
    def _check_things(self) -> "DataParams":
        for name in self.things:
            if name not in self.classes or self.things.count(name) > 1:
                fault = "twice" if name in self.classes else "not in classes"
                raise ValueError(
                    f"things names {name!r}, which is {fault}.{hint(name, self.classes)} Known: "
                    f"{', '.join(self.classes)}."
                )
        return self

    @field_validator("group_by")
    @classmethod
    def _check_group_by(cls, pattern: str | None) -> str | None:
        if pattern is None:
            return None
        try:
            groups = re.compile(pattern).groups
        except re.error as error:
            raise ValueError(
                f"{pattern!r} is no regular expression ({error}). Correct it."
            ) from error
        if groups != 1:
            raise ValueError(
                f"{pattern!r} has {groups} groups. Write one group, such as '^([A-Za-z0-9]+)_'."
            )
        return pattern


class DemoParams(Section):
    """The rendered surface-inspection set of `data.source: demo`."""

    seed: Seed
    size: Size
    train: Images
    val: Images
    test: Images


class ValidateParams(Section):
    """Limits that the raw data must keep."""

    min_images: Count
    max_ignored_share: Share
    allow_unlearned: bool  # continue if a published split has no training pixel of a class


class PrepareParams(Section):
    """Conversion of raw data to canonical files."""

    resize: Size | None  # size that every image and label map is resized to; empty keeps sizes
    val_share: Share  # used where the source publishes no split
    test_share: Share
    split_seed: Seed
    train_fraction: Annotated[
        float, Field(gt=0, le=1), Number
    ]  # share of the training split that is kept
    missing_splits: Literal[
        "error", "from_train"
    ]  # whether splits that a set does not publish are refused
    rest: Literal["drop", "unlabelled"]  # what becomes of the training images beyond the fraction

    @model_validator(mode="after")
    def _check(self) -> "PrepareParams":
        if self.val_share + self.test_share >= 1:
            raise ValueError(
                f"val_share {self.val_share} and test_share {self.test_share} leave no training images. "
                "Set shares whose sum is below 1, such as 0.15 and 0.25."
            )
        return self
