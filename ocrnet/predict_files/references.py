"""Names of models: a folder, an alias of the registered model, or an address of MLflow."""

ALIASES = ("champion", "challenger")
SCHEME = "models:/"


def is_registered(model: str) -> bool:
    """Tell whether a model's name is one of the registry, not a folder.

    Examples:
        >>> is_registered("champion"), is_registered("models:/parts/3"), is_registered("./champion")
        (True, True, False)
    """
    return model in ALIASES or model.startswith(SCHEME)
