"""Weights of other programs: read without running code, recognised by their names, renamed, converted, reported.

| module | what |
|---|---|
| `files` | a .pth or .safetensors file, or a bundle, as a plain state dict |
| `formats` | which program wrote it, and what its entries are called here |
| `conversions` | what differs in the numbers: gammas of InPlaceABN, biases before a norm |
| `load` | puts them into a model, all or nothing |
| `report` | says what was done |
"""

from ocrnet.weights.load import load_state, load_weights
from ocrnet.weights.report import LoadReport

__all__ = ["LoadReport", "load_state", "load_weights"]
