"""Windsock: the experimental API of Airflow 1.10, served from Postgres."""

__version__ = "0.2.0"
