"""Selection of synthesized pairs and pixels."""
