"""Training of the joint generator, which draws an image and its label map together from noise."""
