"""The service: the experimental API of Airflow 1.10, served from Postgres. docs/architecture.md describes its rooms."""
