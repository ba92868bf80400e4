"""The size of the network, for the table of models; its speed is that of a machine, so no report holds it."""

from pathlib import Path
from typing import Any

from ocrnet.evaluation.scoring import Cell

SIDE = 256  # pixels of the image whose multiply-adds are counted


def network_words(data: Path, scores: dict[str, Any]) -> str:
    """Return the number of parameters and of multiply-adds in a sentence; nothing if the models have no card.

    All models of an evaluation are of one network.

    Args:
        data: Folder of the stages' outputs.
        scores: Scores of the models.

    Raises:
        BundleError: A card is damaged.
    """
    from ocrnet.bundles.bundle import MODEL_FILE, read_card  # torch
    from ocrnet.models.network_size import size_of_network

    first = scores["models"][0]
    folder = Cell(first["arm"], first["seed"]).folder(data)
    if not (folder / MODEL_FILE).is_file():
        return ""
    card = read_card(folder)
    size = size_of_network(card.arch, card.classes.num_classes, card.options, (SIDE, SIDE))
    backbone = card.options.get("backbone", "its own backbone")
    return (
        f"Network: {card.arch} with {backbone}, {size.parameters / 1e6:.2f} million parameters, "
        f"{size.multiply_adds / 1e9:.2f} billion multiply-adds for an image of {SIDE} x {SIDE} pixels."
    )
