#!/bin/bash
# Run once by the image of PostgreSQL, on an empty volume: a role and a database for each server, none sees the other's.
set -euo pipefail

make_database() {
  psql --set ON_ERROR_STOP=1 --username "${POSTGRES_USER:-postgres}" --set name="$1" --set password="$2" <<'SQL'
CREATE ROLE :"name" LOGIN PASSWORD :'password';
CREATE DATABASE :"name" OWNER :"name";
REVOKE ALL ON DATABASE :"name" FROM PUBLIC;
SQL
}

make_database mlflow "$MLFLOW_DATABASE_PASSWORD"
make_database prefect "$PREFECT_DATABASE_PASSWORD"
