"""The names of timm's models; only these are allowed, since any other name may be the address of a hub."""

import re
from functools import cache
from importlib.util import find_spec
from pathlib import Path

from ocrnet.models.head_variants import DEEP_BASE

_NAME = re.compile(r"(\w+)(\.\w+)?", re.ASCII)  # name of a model, and of its weights


@cache
def timm_models() -> frozenset[str]:
    """Return the names of timm's models, read from its source code: importing timm takes ten seconds."""
    spec = find_spec("timm")
    assert spec is not None
    assert spec.origin is not None
    pattern = re.compile(r"^@register_model\s+def (\w+)\(", re.MULTILINE)
    return frozenset(
        name
        for path in (Path(spec.origin).parent / "models").glob("*.py")
        for name in pattern.findall(path.read_text())
    )


def is_known_backbone(name: str) -> bool:
    """Return whether a name is a model of timm, not an address or a path."""
    found = _NAME.fullmatch(name)
    return found is not None and found[1].removeprefix(DEEP_BASE) in timm_models()
