"""A trained segmenter as files: a card and weights, read as data of a stranger."""
