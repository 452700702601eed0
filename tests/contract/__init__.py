"""The API contract as data: requests recorded with an Airflow 1.10.15, what it answered, what must be answered."""
