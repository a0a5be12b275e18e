#!/bin/sh
# What `docker compose up` would refuse, found before it: Compose takes the old containers away first and asks its gates
# afterwards, so a refused `up` leaves no inference API. This builds the images and changes nothing that runs. Other
# compose files: COMPOSE_FILE=docker-compose.yml:docker-compose.secrets.yml sh docker/check.sh
set -eu
check() { docker compose --progress quiet run --rm --no-deps -T "$@"; }
runs() { [ -n "$(docker compose ps --quiet --status running "$1")" ]; }
password() { check -e DATABASE_HOST="$1" "$1" bash /usr/local/bin/healthcheck.sh >&2; }

docker compose build --quiet
check preflight
if runs postgres; then password postgres; fi
if runs mysql; then
  password mysql
  check pipeline-init mlops check --stored
else
  check pipeline-init mlops check
fi
echo "docker compose up will not be refused"
