"""Edits of an image by its label map."""
