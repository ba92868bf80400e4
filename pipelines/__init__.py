"""The stages of the pipeline and the other commands: one thin module each, run as `python -m pipelines.<stage>`."""
