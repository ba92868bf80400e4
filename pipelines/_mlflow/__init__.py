"""MLflow, fed from the files that stages leave: the only place that imports it.

`send`, `lock`, `challenger`, `target` and `ledger` import nothing heavy, so that a `publish` with nothing to send
takes half a second; `client`, `runs` and `registry` import mlflow inside their functions. `pyfunc` is the code of a
registered model.
"""
