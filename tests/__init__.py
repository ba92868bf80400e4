"""The tests; `tests/ocrnet` mirrors `ocrnet`."""
