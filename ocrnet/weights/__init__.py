"""Weights of other programs: read without running code, recognised by their names, renamed, converted, reported.

| module | what |
|---|---|
| `files` | reads a .pth or .safetensors file, or a bundle, as a plain state dict |
| `formats` | recognises the program that wrote it, and renames its entries |
| `conversions` | converts numbers that differ: gammas of InPlaceABN, biases before a norm |
| `load` | loads the weights into a model, all or nothing |
| `report` | the report of what was loaded |
"""

from ocrnet.weights.load import load_state, load_weights
from ocrnet.weights.report import LoadReport

__all__ = ["LoadReport", "load_state", "load_weights"]
