#!/bin/sh
# Airflow takes its database URL from the output of a command where the password is in a file.
echo "postgresql+psycopg2://airflow:$(cat /run/secrets/postgres_password)@postgres:5432/airflow"
