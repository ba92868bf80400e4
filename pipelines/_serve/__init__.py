"""`ocrnet serve`: a page and an HTTP interface on one port. The only package that imports Gradio."""
