"""New label layouts, and the pairs made of them."""
