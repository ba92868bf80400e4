"""The stages on workers: what needs no server, and what only real servers and real workers can show."""
