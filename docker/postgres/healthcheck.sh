#!/bin/bash
# A query over the network address, where the password counts: on the socket and on localhost everybody is trusted.
# With DATABASE_HOST it asks another container's server, as docker/check.sh does with the settings of the next `up`.
set -uo pipefail
# To the container's log too, where a person looks first.
log=$([ -n "${DATABASE_HOST:-}" ] && echo /dev/null || echo /proc/1/fd/2)
if [ -n "${POSTGRES_PASSWORD_FILE:-}" ]; then POSTGRES_PASSWORD=$(cat "$POSTGRES_PASSWORD_FILE"); fi
answer=$(PGCONNECT_TIMEOUT=4 PGPASSWORD=$POSTGRES_PASSWORD psql --host="${DATABASE_HOST:-$(hostname -i)}" --username="$POSTGRES_USER" \
  --dbname="$POSTGRES_DB" --tuples-only --command='SELECT 1' 2>&1) && exit 0
case "$answer" in
  *"password authentication failed"*)
    echo "User $POSTGRES_USER is refused: the volume postgres_data was made with another POSTGRES_PASSWORD. Put the old" \
      "one into .env, change it in the database too (docs/operations.md), or delete all data with:" \
      "docker compose --profile '*' down -v" | tee "$log" ;;
  *) echo "$answer" ;;
esac
exit 1
