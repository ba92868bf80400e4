"""MLflow 3's rules for names, without importing it; a test checks that they equal its own."""

import re

LONGEST_EXPERIMENT = 256  # characters that MLflow's tables hold
LONGEST_MODEL = 256 - len(".promotions")  # the ledger of promotions has the name with this ending
REFUSED_IN_MODEL = "/:.%\"'"
_NOT_IN_METRICS = re.compile(r"[^/\w.\- ]")


def experiment_fault(name: str) -> str | None:
    """Return what is wrong with the name of an experiment and what to do; None if it is valid."""
    if not name.strip():
        return "It is empty. Name the experiment, such as ocrnet-mine."
    if len(name) > LONGEST_EXPERIMENT:
        return f"It has {len(name)} characters, MLflow holds {LONGEST_EXPERIMENT}. Shorten it."
    return _unprintable(name)


def model_fault(name: str) -> str | None:
    """Return what is wrong with the name of a registered model and what to do; None if it is valid."""
    if not name.strip():
        return "It is empty. Name the model, such as ocrnet-mine."
    refused = [character for character in REFUSED_IN_MODEL if character in name]
    if refused:
        return (
            f"MLflow takes no {' '.join(refused)} in the name of a model. Write letters, digits, - and _, such as "
            f"{re.sub(r'[^A-Za-z0-9_-]+', '-', name).strip('-') or 'ocrnet-mine'}."
        )
    if len(name) > LONGEST_MODEL:
        return f"It has {len(name)} characters, MLflow holds {LONGEST_MODEL}. Shorten it."
    return _unprintable(name)


def metric_name(name: str) -> str:
    """Return the name of a class in MLflow's metrics."""
    return _NOT_IN_METRICS.sub("_", name)


def _unprintable(name: str) -> str | None:
    if name.isprintable():
        return None
    return "It has a character that cannot be shown. Write letters, digits, - and _."
