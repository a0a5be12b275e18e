#!/bin/sh
# Where to look, with logins, once the stack is up.
set -eu
docker compose config --environment | {
  # shellcheck disable=SC2034  # value is read by eval
  while IFS='=' read -r name value; do
    case "$name" in
      ENVIRONMENT | *_PORT | AIRFLOW_ADMIN_* | MINIO_ROOT_*) eval "$name=\$value" ;;
    esac
  done
  if [ "$ENVIRONMENT" = production ]; then AIRFLOW_ADMIN_PASSWORD='(yours)' MINIO_ROOT_PASSWORD='(yours)'; fi
  cat <<EOF

  UI              http://localhost:$UI_PORT
  inference API   http://localhost:$INFERENCE_API_PORT/docs
  Airflow         http://localhost:$AIRFLOW_PORT   login $AIRFLOW_ADMIN_USER / $AIRFLOW_ADMIN_PASSWORD
  MLflow          http://localhost:$MLFLOW_PORT
  object store    http://localhost:$MINIO_CONSOLE_PORT   login $MINIO_ROOT_USER / $MINIO_ROOT_PASSWORD
  batch source    http://localhost:$EXTERNAL_DATA_API_PORT

EOF
}
