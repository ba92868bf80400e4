"""MLflow 3's rules for names, without importing MLflow; a test compares them with MLflow's."""

import re

LONGEST_EXPERIMENT = 256  # largest number of characters in MLflow's tables
LONGEST_MODEL = 256 - len(
    ".promotions"
)  # the name of the ledger is the model's name with this suffix
REFUSED_IN_MODEL = "/:.%\"'"
_NOT_IN_METRICS = re.compile(r"[^/\w.\- ]")


def experiment_fault(name: str) -> str | None:
    """Return the fault and the cure of an experiment's name; None if it is valid."""
    if not name.strip():
        return "It is empty. Name the experiment, such as ocrnet-mine."
    if len(name) > LONGEST_EXPERIMENT:
        return f"It has {len(name)} characters, allowed are {LONGEST_EXPERIMENT}. Shorten it."
    return _unprintable(name)


def model_fault(name: str) -> str | None:
    """Return the fault and the cure of a registered model's name; None if it is valid."""
    if not name.strip():
        return "It is empty. Name the model, such as ocrnet-mine."
    refused = [character for character in REFUSED_IN_MODEL if character in name]
    if refused:
        return (
            f"MLflow refuses {' '.join(refused)} in the name of a model. Use letters, digits, - and _, such as "
            f"{re.sub(r'[^A-Za-z0-9_-]+', '-', name).strip('-') or 'ocrnet-mine'}."
        )
    if len(name) > LONGEST_MODEL:
        return f"It has {len(name)} characters, allowed are {LONGEST_MODEL}. Shorten it."
    return _unprintable(name)


def metric_name(name: str) -> str:
    """Return the name of a class in MLflow's metrics."""
    return _NOT_IN_METRICS.sub("_", name)


def _unprintable(name: str) -> str | None:
    if name.isprintable():
        return None
    return "It has a character that cannot be printed. Use letters, digits, - and _."
