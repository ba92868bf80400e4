"""What every test process needs first.

The shape checks of jaxtyping are an import hook. Whatever is imported while it loads a module of this project is read
without Python's cache of compiled files, which costs a process sixteen seconds for torch alone. So the large libraries
are imported here, before any module of the project is.
"""

from importlib import import_module

import pytest
from beartype import beartype
from hypothesis import HealthCheck, settings

for name in (
    "cv2", "jinja2", "mlflow", "pandas", "scipy.ndimage", "scipy.spatial.distance", "scipy.stats", "timm",
    "torchvision.models.segmentation", "torchvision.transforms.v2",
):  # fmt: skip
    import_module(name)

# A busy machine must fail no test: an example may take as long as it takes.
settings.register_profile("patient", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("patient")


@beartype
def decorate_one(names: list[str], count: int | None = None) -> dict[str, int]:
    """Let beartype load what it needs to check a function."""
    return dict.fromkeys(names, count or 0)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Order the files so that processes seldom wait together, and end together.

    Tests with servers mostly wait, so their files are spread over the first half of the others. The library's tests,
    which are short, come last.
    """
    files: dict[str, list[pytest.Item]] = {}
    for item in items:
        files.setdefault(str(item.path), []).append(item)
    waiting = [file for file, found in files.items() if found[0].get_closest_marker("servers")]
    computing = sorted(set(files) - set(waiting), key=lambda file: ("/tests/ocrnet/" in file, file))
    order = list(computing)
    for index, file in reversed(list(enumerate(waiting))):
        order.insert(index * len(computing) // (2 * len(waiting)), file)
    items[:] = [item for file in order for item in files[file]]
