"""What an installation without an Airflow has: Postgres, DAG files, a scheduler, backups."""
