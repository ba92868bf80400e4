"""From raw files to a prepared set: sources, scan, findings, splits."""
