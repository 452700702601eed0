"""Standalone's DAGs: YAML files in dag-factory's format, kept as Airflow 1.10 keeps its own."""
