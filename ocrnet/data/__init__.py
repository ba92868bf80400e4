"""Data: sources of raw files, the scan, the canonical files with their manifest, and what training draws from them."""
