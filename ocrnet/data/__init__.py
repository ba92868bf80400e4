"""Data files: decoding of images and label maps, canonical files with their manifest, tables and contact sheets."""
