"""The flows, the worker slots and the set-up of the Prefect server: the only package that imports prefect.

| module | what it is |
|---|---|
| `stage_scheduler` | when each stage runs and which failures restart it, in plain Python |
| `pipeline` | the flow that runs `dvc.yaml`, stage by stage |
| `stage` | the flow of one stage on a worker |
| `command` | a process whose lines are logged and that ends with the flow |
| `summary` | the page that a run leaves |
| `command_flow` | a command of the repository as a flow |
| `promotion_flows`, `drift_flow` | promotion, rollback and drift as flows |
| `watch` | the flow that looks for new raw data |
| `server_setup` | pools, deployments and automations |
| `jobs` | the process that a worker starts for a run |
| `slot` | a worker process that drains on a stop signal |
| `reconnect` | keeps a worker alive while the server is unreachable |
"""
