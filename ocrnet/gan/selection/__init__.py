"""Which synthesized pairs are kept."""
