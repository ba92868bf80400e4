"""Small sets whose annotations are in the format of COCO."""

from pathlib import Path
from typing import Any

from .annotated import SIZE, write_images, write_json

CATEGORIES = [{"id": 3, "name": "cell"}, {"id": 90, "name": "vessel"}]  # with a gap, as in COCO


def coco(
    images: list[str], annotations: list[dict[str, Any]], categories: Any = CATEGORIES, **image: Any
) -> dict[str, Any]:
    """Return a file of COCO; an annotation is of the first image unless it says more."""
    size = {"height": SIZE[0], "width": SIZE[1]} | image
    return {
        "info": {"year": 2026},
        "images": [{"id": i, "file_name": name} | size for i, name in enumerate(images)],
        "annotations": [{"id": i, "image_id": 0, "category_id": 3} | one for i, one in enumerate(annotations)],
        "categories": categories,
    }  # fmt: skip


def write_set(root: Path, annotations: list[dict[str, Any]], **image: Any) -> None:
    write_images(root, "images/a.png")
    write_json(root / "annotations.json", coco(["a.png"], annotations, **image))
