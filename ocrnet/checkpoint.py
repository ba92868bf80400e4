"""Checkpoints of a training that may be killed: written atomically, read with torch's `weights_only` reader.

A checkpoint is stored outside the stage's outputs, which DVC deletes before it starts a stage again.
"""

from abc import ABC, abstractmethod
from pathlib import Path
from typing import Any

import torch

from ocrnet.data.files import whole_file

FILE = "checkpoint.pt"


class Resumable(ABC):
    """A trainer whose state is that of its modules and optimizers."""

    def state(self) -> dict[str, Any]:
        """Return the state that the next step depends on."""
        return {name: part.state_dict() for name, part in self._parts().items()}

    def restore(self, state: dict[str, Any]) -> None:
        """Continue from a state."""
        for name, part in self._parts().items():
            part.load_state_dict(state[name])

    @abstractmethod
    def _parts(self) -> dict[str, Any]:
        """Return the modules and optimizers by their names in a checkpoint."""


class CheckpointStore:
    """The only checkpoint of a run, in a separate folder.

    Attributes:
        folder: Folder of the checkpoint.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._path = folder / FILE

    def save(self, state: dict[str, Any]) -> None:
        """Replace the checkpoint by `state`: tensors, numbers, strings and containers of them."""
        with whole_file(self._path) as partial, partial.open("wb") as file:
            torch.save(state, file)

    def load(self) -> dict[str, Any] | None:
        """Return the last state, or None if there is none."""
        if not self._path.exists():
            return None
        state: dict[str, Any] = torch.load(str(self._path), map_location="cpu", weights_only=True)
        return state

    def clear(self) -> None:
        """Delete the checkpoint: the run is complete."""
        self._path.unlink(missing_ok=True)
