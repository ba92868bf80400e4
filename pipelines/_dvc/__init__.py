"""Code that uses DVC as a library, in separate processes: the only package that imports dvc.

`pipelines.flows` starts `python -m pipelines._dvc.advance` and `python -m pipelines._dvc.lease` in a clone and reads
what they print.
"""
