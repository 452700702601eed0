-- The statements that are the same for every Airflow. Concurrent requests of a kind share a statement: one JSON array for
-- each column has an entry for each request, and the rows come back in their order. It is JSON because asyncpg looks twice
-- at each value of an array. unnest(ARRAY(SELECT ...)) hides from the planner how many there are: otherwise it plans short
-- ones again each time, which takes five times as long as looking up one key. And it makes the planner expect few, because
-- otherwise it reads whole tables. A lateral subquery keeps every look-up on its index, whatever the planner believes about
-- the table's size.

-- name: find_dags
-- What is known about each DAG; `version` changes whenever its serialized row (that of the root DAG) is written again.
SELECT d.dag_id IS NOT NULL AS known, d.is_paused, d.root_dag_id, s.version, any_serialized.present AS any_serialized
FROM unnest(ARRAY(SELECT json_array_elements_text($1))) WITH ORDINALITY AS requested (dag_id, n)
CROSS JOIN (SELECT EXISTS (SELECT FROM serialized_dag) AS present) AS any_serialized
LEFT JOIN LATERAL (
    SELECT dag.dag_id, dag.is_paused, coalesce(nullif(dag.root_dag_id, ''), dag.dag_id) AS root_dag_id
    FROM dag WHERE dag.dag_id = requested.dag_id
) AS d ON true
LEFT JOIN LATERAL (
    SELECT serialized_dag.xmin::text AS version FROM serialized_dag WHERE serialized_dag.dag_id = d.root_dag_id
) AS s ON true
ORDER BY requested.n

-- name: serialized_dag
-- The JSON of a serialized DAG; NULL if it has more than $2 bytes.
SELECT xmin::text AS version, CASE WHEN octet_length(data::text) <= $2 THEN data::text END AS data,
    NULL::bytea AS data_compressed
FROM serialized_dag WHERE dag_id = $1

-- name: dag_code
SELECT left(dag_code.source_code, $2)
FROM dag JOIN dag_code ON dag_code.fileloc = dag.fileloc
WHERE dag.dag_id = $1
LIMIT 1

-- name: wait_for_locks
-- A scheduler may lock a DAG's row for seconds; a change of one DAG waits for it, but a batch for many callers does not.
SET LOCAL lock_timeout = '15s'

-- name: pause_dag
UPDATE dag SET is_paused = $2
WHERE dag_id = $1 OR (root_dag_id = $1 AND is_subdag)
RETURNING dag_id

-- name: pools
SELECT '[' || coalesce(string_agg(row_to_json(one)::text, ',' ORDER BY one.id), '') || ']'
FROM (SELECT description, id, pool, slots FROM slot_pool) AS one

-- name: find_pools
SELECT p.id, p.pool, p.slots, p.description
FROM unnest(ARRAY(SELECT json_array_elements_text($1))) WITH ORDINALITY AS requested (name, n)
LEFT JOIN LATERAL (SELECT id, pool, slots, description FROM slot_pool WHERE slot_pool.pool = requested.name) AS p ON true
ORDER BY requested.n

-- name: set_pool
INSERT INTO slot_pool (pool, slots, description) VALUES ($1, $2, $3)
ON CONFLICT (pool) DO UPDATE SET slots = excluded.slots, description = excluded.description
RETURNING id, pool, slots, description

-- name: delete_pool
DELETE FROM slot_pool WHERE pool = $1 RETURNING id, pool, slots, description

-- name: latest_scheduler_heartbeat
-- The newest heartbeat of a scheduler that runs, if there is one: a scheduler that has just stopped may have a later one.
-- Only dates that Python can represent.
SELECT latest_heartbeat, state = 'running' AS running FROM job
WHERE job_type = 'SchedulerJob'
    AND (latest_heartbeat IS NULL OR latest_heartbeat BETWEEN '0001-01-02+00' AND '9999-12-30+00')
ORDER BY (state = 'running' AND latest_heartbeat > now() - interval '30 seconds') DESC, latest_heartbeat DESC NULLS LAST
LIMIT 1

-- name: bound_counting
-- For the transaction that counts for the metrics: it finds what it reads with an index, or it gives up.
SELECT set_config('enable_seqscan', 'off', true), set_config('statement_timeout', '2s', true)

-- name: unfinished_tasks
-- How many tasks are in each state that is not final. For each state at most 10,000 are counted.
SELECT wanted.state, counted.number
FROM unnest(ARRAY['scheduled', 'queued', 'running', 'restarting', 'deferred', 'awaiting_input', 'up_for_retry',
    'up_for_reschedule']) AS wanted (state)
CROSS JOIN LATERAL (
    SELECT count(*) AS number
    FROM (SELECT FROM task_instance WHERE task_instance.state = wanted.state LIMIT 10000) AS found
) AS counted

-- name: oldest_queued
-- For how many seconds the oldest queued task has been queued, 0 if there is none; at most 10,000 are read.
-- Somebody may have written an infinite date.
SELECT coalesce(extract(epoch FROM now() - min(queued_dttm)), 0)::float8
FROM (SELECT queued_dttm FROM task_instance WHERE state = 'queued' AND isfinite(queued_dttm) LIMIT 10000) AS found

-- name: count_import_errors
SELECT count(*) FROM (SELECT FROM import_error LIMIT 10000) AS found

-- name: import_errors
-- Files that could not be loaded, as JSON objects. If an error is very long, its beginning is enough.
SELECT row_to_json(one)::text
FROM import_error
CROSS JOIN LATERAL (
    SELECT
        bundle_name,  -- if import_error.bundle_name
        NULL::text AS bundle_name,  -- unless import_error.bundle_name
        filename,
        id,
        left(stacktrace, 20000) AS stacktrace,
        replace(to_char("timestamp" AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US'), '.000000', '') || '+00:00'
            AS "timestamp"
) AS one
ORDER BY CASE WHEN NOT $3::boolean THEN import_error.filename END COLLATE "C", import_error.filename COLLATE "C" DESC,
    import_error.id
LIMIT $1 OFFSET $2

-- name: count_all_import_errors
SELECT count(*) FROM import_error

-- name: latest_import_errors
-- For requests for a DAG that does not exist.
SELECT filename, left(stacktrace, 4000) AS stacktrace FROM import_error ORDER BY id DESC LIMIT 200

-- name: tables
-- The tables that exist: statements for tables that a release lacks are left out.
SELECT tablename FROM pg_tables WHERE schemaname = ANY (current_schemas(false))

-- name: columns
-- The columns that they have: minor releases add and drop some.
SELECT c.relname || '.' || a.attname
FROM pg_attribute AS a JOIN pg_class AS c ON c.oid = a.attrelid
WHERE c.relnamespace = ANY (SELECT oid FROM pg_namespace WHERE nspname = ANY (current_schemas(false)))
    AND c.relkind IN ('r', 'p') AND a.attnum > 0 AND NOT a.attisdropped

-- name: revisions
SELECT version_num FROM alembic_version
