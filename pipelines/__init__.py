"""The stages of the pipeline: a thin entry each, run as `python -m pipelines.<stage>`."""
