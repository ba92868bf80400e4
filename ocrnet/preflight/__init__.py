"""What can be refused before anything is trained: names, networks, sizes, and what later stages need."""
