-- The statements that read the same on every Airflow.
-- Concurrent requests of a kind share a statement: a JSON array a column has one entry a request, and the statement's rows
-- come back in their order. It is JSON, for asyncpg looks twice at each value of an array. unnest(ARRAY(SELECT ...)): the
-- planner must not see how many there are, or it believes that planning short ones anew each time pays, which takes five
-- times as long as looking one key up; and it must think of few, or it reads whole tables.
-- A lateral subquery keeps every look-up on its index, whatever the planner believes of the table's size.

-- name: find_dags
-- What is known of each DAG; `version` changes whenever its serialized row (that of the root DAG) is written anew.
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
-- The JSON of a serialized DAG; NULL where it has more than $2 bytes.
SELECT xmin::text AS version, CASE WHEN octet_length(data::text) <= $2 THEN data::text END AS data,
    NULL::bytea AS data_compressed
FROM serialized_dag WHERE dag_id = $1

-- name: dag_code
SELECT left(dag_code.source_code, $2)
FROM dag JOIN dag_code ON dag_code.fileloc = dag.fileloc
WHERE dag.dag_id = $1
LIMIT 1

-- name: wait_for_locks
-- A scheduler may hold a DAG's row for seconds; who changes one DAG waits for it, unlike a batch of strangers.
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
-- Of one that runs, if there is one: another that has just been stopped may have given the later sign.
-- Only dates that Python can hold.
SELECT latest_heartbeat, state = 'running' AS running FROM job
WHERE job_type = 'SchedulerJob'
    AND (latest_heartbeat IS NULL OR latest_heartbeat BETWEEN '0001-01-02+00' AND '9999-12-30+00')
ORDER BY (state = 'running' AND latest_heartbeat > now() - interval '30 seconds') DESC, latest_heartbeat DESC NULLS LAST
LIMIT 1

-- name: tables
-- Which tables there are: statements for tables that a release lacks are left out.
SELECT tablename FROM pg_tables WHERE schemaname = ANY (current_schemas(false))

-- name: columns
-- Which columns they have: minor releases add and drop some.
SELECT c.relname || '.' || a.attname
FROM pg_attribute AS a JOIN pg_class AS c ON c.oid = a.attrelid
WHERE c.relnamespace = ANY (SELECT oid FROM pg_namespace WHERE nspname = ANY (current_schemas(false)))
    AND c.relkind IN ('r', 'p') AND a.attnum > 0 AND NOT a.attisdropped

-- name: revisions
SELECT version_num FROM alembic_version
