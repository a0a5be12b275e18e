#!/bin/sh
# The Simple auth manager reads passwords from a file that it may rewrite: made here, in memory, from the settings.
set -eu
umask 077
python - <<'PY'
import json, os, pathlib

path = os.environ.get("AIRFLOW_ADMIN_PASSWORD_FILE")
password = pathlib.Path(path).read_text().strip() if path else os.environ["AIRFLOW_ADMIN_PASSWORD"]
target = pathlib.Path(os.environ["AIRFLOW__CORE__SIMPLE_AUTH_MANAGER_PASSWORDS_FILE"])
target.write_text(json.dumps({os.environ["AIRFLOW_ADMIN_USER"]: password}))
PY
exec airflow api-server --workers 1
