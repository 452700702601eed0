-- What the peers need in the database: the newest run of each DAG, found as Windsock finds it.
CREATE FUNCTION latest_runs() RETURNS TABLE (dag_id varchar, execution_date timestamptz, start_date timestamptz)
LANGUAGE sql STABLE AS $$
    WITH RECURSIVE dag_ids AS (
        SELECT min(r.dag_id) AS dag_id FROM dag_run AS r
        UNION ALL
        SELECT (SELECT min(r.dag_id) FROM dag_run AS r WHERE r.dag_id > dag_ids.dag_id)
        FROM dag_ids WHERE dag_ids.dag_id IS NOT NULL
    )
    SELECT newest.dag_id, newest.execution_date, newest.start_date
    FROM dag_ids CROSS JOIN LATERAL (
        SELECT r.dag_id, r.execution_date, r.start_date FROM dag_run AS r
        WHERE r.dag_id = dag_ids.dag_id ORDER BY r.execution_date DESC LIMIT 1
    ) AS newest
$$;

-- Airflow's web interface reads this table when it starts.
CREATE TABLE connection (id serial PRIMARY KEY, conn_id varchar(250));
