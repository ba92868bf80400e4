"""Objects of an image and their scores: what a label map does not tell apart."""
