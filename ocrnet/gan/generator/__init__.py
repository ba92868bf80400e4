"""The generator and the painter that uses it."""
