-- Retention in a standalone database: $1 is a time, $2 the number of rows in a portion.

-- fragment: may_go(run)
-- The last run of a schedule stays, as in Airflow: the next one follows it.
({run}.data_interval_end IS NULL OR EXISTS (
    SELECT FROM dag_run AS later
    WHERE later.dag_id = {run}.dag_id AND later.data_interval_end IS NOT NULL AND later.execution_date > {run}.execution_date
))

-- name: count_runs
SELECT count(*) FROM dag_run AS r
WHERE r.state IN ('success', 'failed') AND coalesce(r.end_date, r.start_date, r.execution_date) < $1
    AND {may_go(r)};

-- name: count_log
SELECT count(*) FROM log WHERE dttm < $1;

-- name: count_job
SELECT count(*) FROM job WHERE latest_heartbeat < $1 AND (state IS DISTINCT FROM 'running' OR latest_heartbeat < now() - interval '1 day');

-- name: clean_runs
-- A run is deleted with everything that belongs to it. One that somebody has locked is left for the next time.
WITH gone AS (
    DELETE FROM dag_run WHERE id IN (
        SELECT r.id FROM dag_run AS r
        WHERE r.state IN ('success', 'failed') AND coalesce(r.end_date, r.start_date, r.execution_date) < $1
            AND {may_go(r)}
        ORDER BY r.id LIMIT $2 FOR UPDATE OF r SKIP LOCKED
    ) RETURNING dag_id, execution_date
), reschedules AS (
    DELETE FROM task_reschedule t USING gone g WHERE (t.dag_id, t.execution_date) = (g.dag_id, g.execution_date)
), instances AS (
    DELETE FROM task_instance t USING gone g WHERE (t.dag_id, t.execution_date) = (g.dag_id, g.execution_date)
), fails AS (
    DELETE FROM task_fail t USING gone g WHERE (t.dag_id, t.execution_date) = (g.dag_id, g.execution_date)
), rendered AS (
    DELETE FROM rendered_task_instance_fields t USING gone g
    WHERE (t.dag_id, t.execution_date) = (g.dag_id, g.execution_date)
), xcoms AS (
    DELETE FROM xcom t USING gone g WHERE (t.dag_id, t.execution_date) = (g.dag_id, g.execution_date)
), misses AS (
    DELETE FROM sla_miss t USING gone g WHERE (t.dag_id, t.execution_date) = (g.dag_id, g.execution_date)
)
SELECT dag_id, execution_date FROM gone;

-- name: clean_log
WITH gone AS (
    DELETE FROM log WHERE id IN (SELECT id FROM log WHERE dttm < $1 ORDER BY id LIMIT $2) RETURNING id
)
SELECT count(*) FROM gone;

-- name: clean_job
-- A killed scheduler's row says for ever that it runs; no heartbeat is that old.
WITH gone AS (
    DELETE FROM job WHERE id IN (
        SELECT id FROM job
        WHERE latest_heartbeat < $1 AND (state IS DISTINCT FROM 'running' OR latest_heartbeat < now() - interval '1 day')
        ORDER BY id LIMIT $2
    ) RETURNING id
)
SELECT count(*) FROM gone;
