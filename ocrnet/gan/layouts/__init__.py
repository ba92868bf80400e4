"""Layouts, and the synthesized pairs made from them."""
