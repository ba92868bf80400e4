"""Code that uses DVC as a library, in separate processes: the only package that imports dvc.

`pipelines.flows` starts `python -m pipelines._dvc.restore_stages` and `python -m pipelines._dvc.run_one_stage` in a
clone and reads what they print.
"""
