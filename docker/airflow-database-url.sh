#!/bin/sh
# Airflow takes its database URL from the output of a command where the password is in a file: all of the output, so a
# newline at its end would be one of the database's name.
printf '%s' "postgresql+psycopg2://airflow:$(cat /run/secrets/postgres_password)@postgres:5432/airflow"
