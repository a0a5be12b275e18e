#!/bin/bash
# A query over the network address, where the password counts: on the socket and on localhost everybody is trusted.
set -uo pipefail
if [ -n "${POSTGRES_PASSWORD_FILE:-}" ]; then POSTGRES_PASSWORD=$(cat "$POSTGRES_PASSWORD_FILE"); fi
answer=$(PGCONNECT_TIMEOUT=4 PGPASSWORD=$POSTGRES_PASSWORD psql --host="$(hostname -i)" --username="$POSTGRES_USER" \
  --dbname="$POSTGRES_DB" --tuples-only --command='SELECT 1' 2>&1) && exit 0
case "$answer" in
  *"password authentication failed"*)
    # To the container's log too, where a person looks first.
    echo "User $POSTGRES_USER is refused: the volume postgres_data was made with another POSTGRES_PASSWORD. Put the old" \
      "one into .env, or start empty with: docker compose down -v" | tee /proc/1/fd/2 ;;
  *) echo "$answer" ;;
esac
exit 1
