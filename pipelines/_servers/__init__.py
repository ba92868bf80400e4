"""The local Prefect and MLflow servers: start, watch and end them, and reach them from a checkout."""
