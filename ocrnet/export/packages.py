"""The packages of an export, which are installed on request."""

from importlib.util import find_spec

from ocrnet.errors import ParamsError

TO_WRITE = ("onnx", "onnxscript", "onnxruntime")
TO_RUN = ("onnxruntime",)


def require_packages(names: tuple[str, ...], *, purpose: str) -> None:
    """Check that packages are installed.

    Args:
        names: Names of the packages.
        purpose: What they are needed for, which begins the message.

    Raises:
        ParamsError: One is missing.
    """
    missing = [name for name in names if find_spec(name) is None]
    if missing:
        raise ParamsError(
            f"{purpose} needs the packages {', '.join(names)}, and {', '.join(missing)} is missing. "
            "Run: pip install 'ocrnet[export]'"
        )
