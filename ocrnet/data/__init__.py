"""Data files: decoding of images and label maps, the canonical files with their manifest, tables and contact sheets."""
