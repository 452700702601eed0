-- name: write_log
-- Columns that every Airflow's `log` has; what is too long is cut rather than lost.
INSERT INTO log (dttm, event, dag_id, owner, extra)
SELECT now(), left(event, 30), left(dag_id, 250), left(owner, 500), extra
FROM unnest($1::text[], $2::text[], $3::text[], $4::text[]) AS entries (event, dag_id, owner, extra)
