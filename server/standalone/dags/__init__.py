"""Standalone's DAGs: YAML files in dag-factory's format, stored as Airflow 1.10 stores its own DAGs."""
