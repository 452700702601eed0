-- Retention in a standalone database: $1 is a time, $2 the number of rows in a portion.

-- name: count_runs
SELECT count(*) FROM dag_run
WHERE state IN ('success', 'failed') AND coalesce(end_date, start_date, execution_date) < $1;

-- name: count_log
SELECT count(*) FROM log WHERE dttm < $1;

-- name: count_job
SELECT count(*) FROM job WHERE latest_heartbeat < $1 AND (state IS DISTINCT FROM 'running' OR latest_heartbeat < now() - interval '1 day');

-- name: clean_runs
-- A run is deleted with everything that belongs to it. One that somebody has locked is left for the next time.
WITH gone AS (
    DELETE FROM dag_run WHERE id IN (
        SELECT id FROM dag_run
        WHERE state IN ('success', 'failed') AND coalesce(end_date, start_date, execution_date) < $1
        ORDER BY id LIMIT $2 FOR UPDATE SKIP LOCKED
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
