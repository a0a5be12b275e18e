#!/bin/bash
# A query by each user over TCP. The server that runs the first start's scripts listens on its socket only, so it does not
# count. Passwords are those of today's settings: a volume made with others is told apart from a server that is slow.
# With DATABASE_HOST it asks another container's server, as docker/check.sh does with the settings of the next `up`.
set -uo pipefail
# To the container's log too, where a person looks first.
log=$([ -n "${DATABASE_HOST:-}" ] && echo /dev/null || echo /proc/1/fd/2)

secret() { local file="$1_FILE"; if [ -n "${!file:-}" ]; then cat "${!file}"; else printf '%s' "${!1:-}"; fi; }

query() { # user, variable of its password, as .env calls it
  local answer
  answer=$(MYSQL_PWD=$(secret "$2") mysql --protocol=tcp --host="${DATABASE_HOST:-127.0.0.1}" --user="$1" --connect-timeout=4 --batch \
    --skip-column-names --execute='SELECT 1' "$1" 2>&1) && return
  case "$answer" in
    *"Access denied"*)
      echo "User $1 is refused: the volume mysql_data was made with another $3. Put the old one into .env, change it" \
        "in the database too (docs/operations.md), or delete all data with: docker compose --profile '*' down -v" |
        tee "$log" ;;
    *) echo "$answer" ;;
  esac
  exit 1
}

query warehouse MYSQL_PASSWORD WAREHOUSE_PASSWORD
query mlflow MLFLOW_DB_PASSWORD MLFLOW_DB_PASSWORD
