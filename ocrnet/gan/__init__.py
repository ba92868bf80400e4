"""The label-map-to-image GAN: networks, objectives, training, layouts, synthesis and selection."""
