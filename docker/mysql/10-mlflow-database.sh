#!/bin/bash
# The image makes the warehouse and its user from MYSQL_*. This adds MLflow's, which sees its own database only.
# Runs once, when the volume is new.
set -euo pipefail
password=${MLFLOW_DB_PASSWORD:-$(cat "${MLFLOW_DB_PASSWORD_FILE:?MLFLOW_DB_PASSWORD or MLFLOW_DB_PASSWORD_FILE must be set}")}
root_password=${MYSQL_ROOT_PASSWORD:-$(cat "${MYSQL_ROOT_PASSWORD_FILE:?}")}

as_root() { mysql --user=root --protocol=socket --socket=/var/run/mysqld/mysqld.sock "$@"; }
# Whether root has its password already at this point depends on the version of the image.
if MYSQL_PWD="$root_password" as_root -e 'SELECT 1' >/dev/null 2>&1; then export MYSQL_PWD="$root_password"; fi

password=${password//\\/\\\\}
as_root <<SQL
CREATE DATABASE IF NOT EXISTS mlflow;
CREATE USER IF NOT EXISTS 'mlflow'@'%' IDENTIFIED BY '${password//\'/\'\'}';
GRANT ALL ON mlflow.* TO 'mlflow'@'%';
SQL
