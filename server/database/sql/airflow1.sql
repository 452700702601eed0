-- The statements for Airflow 1.10's tables, which are also those of the standalone database.

-- name: trigger
-- One row for each request: a run is inserted if the DAG is known and its serialized row is the one that the request was
-- checked against (`fresh`). A row that is known and fresh but has no id collided with another run, perhaps of this
-- statement. Each request has its id before the insert, so a stored id tells whose run it is.
WITH requested AS (
    SELECT * FROM unnest(
        ARRAY(SELECT json_array_elements_text($1)),
        ARRAY(SELECT json_array_elements_text($2)),
        ARRAY(SELECT json_array_elements_text($3)::timestamptz),
        ARRAY(SELECT decode(json_array_elements_text($4), 'base64')),
        ARRAY(SELECT json_array_elements_text($5)),
        ARRAY(SELECT json_array_elements_text($6))
    ) WITH ORDINALITY AS r (dag_id, run_id, execution_date, conf, root_dag_id, version, n)
), checked AS (
    SELECT requested.*, d.dag_id IS NOT NULL AS known, d.is_paused, d.is_broken,
        s.version IS NOT DISTINCT FROM requested.version AS fresh
    FROM requested
    LEFT JOIN LATERAL (
        SELECT dag.dag_id, dag.is_paused,
            dag.fileloc IN (SELECT import_error.filename FROM import_error) AS is_broken
        FROM dag WHERE dag.dag_id = requested.dag_id
    ) AS d ON true
    LEFT JOIN LATERAL (
        SELECT serialized_dag.xmin::text AS version FROM serialized_dag
        WHERE serialized_dag.dag_id = requested.root_dag_id
    ) AS s ON true
), schema AS (
    -- Whether a migration has been committed since the statement was made for a revision.
    SELECT coalesce(string_agg(version_num, ' ' ORDER BY version_num COLLATE "C"), '') <> $7::text AS migrated  -- if alembic_version.version_num
    FROM alembic_version  -- if alembic_version.version_num
    SELECT $7::text IS NOT NULL AS migrated  -- unless alembic_version.version_num
), numbered AS (
    SELECT *, CASE WHEN known AND fresh AND NOT migrated THEN nextval((
        SELECT coalesce(pg_get_serial_sequence('dag_run', 'id'), 'dag_run_id_seq')::regclass
    )) END AS id
    FROM checked CROSS JOIN schema
), created AS (
    INSERT INTO dag_run (id, dag_id, run_id, execution_date, conf, state, external_trigger, start_date)
    SELECT id, dag_id, run_id, execution_date, conf, 'running', true, now()
    FROM numbered
    WHERE id IS NOT NULL
    ORDER BY dag_id, execution_date, run_id, n
    ON CONFLICT DO NOTHING
    RETURNING id
)
SELECT numbered.migrated, numbered.known, numbered.fresh, numbered.is_paused, numbered.is_broken, created.id
FROM numbered LEFT JOIN created ON created.id = numbered.id
ORDER BY numbered.n

-- name: trigger_family
-- A DAG and its sub-DAGs together, or none of them: a collision raises an error, so nothing is inserted.
WITH parent AS (
    SELECT d.dag_id, d.is_paused, s.version IS NOT DISTINCT FROM $6::text AS fresh,
        d.fileloc IN (SELECT import_error.filename FROM import_error) AS is_broken
    FROM dag AS d
    LEFT JOIN LATERAL (
        SELECT serialized_dag.xmin::text AS version FROM serialized_dag WHERE serialized_dag.dag_id = $5::text
    ) AS s ON true
    WHERE d.dag_id = ($1::text[])[1]
), schema AS (
    -- Whether a migration has been committed since the statement was made for a revision.
    SELECT coalesce(string_agg(version_num, ' ' ORDER BY version_num COLLATE "C"), '') <> $7::text AS migrated  -- if alembic_version.version_num
    FROM alembic_version  -- if alembic_version.version_num
    SELECT $7::text IS NOT NULL AS migrated  -- unless alembic_version.version_num
), created AS (
    INSERT INTO dag_run (dag_id, run_id, execution_date, conf, state, external_trigger, start_date)
    SELECT member, $2::text, $3::timestamptz, $4::bytea, 'running', true, now()
    FROM parent, schema, unnest($1::text[]) AS member
    WHERE parent.fresh AND NOT schema.migrated
    ORDER BY member
    RETURNING id
)
SELECT migrated, true AS known, fresh, is_paused, is_broken, (SELECT min(id) FROM created) AS id,
    (SELECT array_agg(id) FROM created) AS ids
FROM parent, schema

-- name: announce
-- Standalone only: the ids of new runs for its schedulers. An empty text says that there are too many to name them. Losing
-- this transaction loses nothing, so nobody waits until it is on the disk.
SELECT set_config('synchronous_commit', 'off', true),
    pg_notify('windsock_runs', CASE WHEN length(ids) < 7900 THEN ids ELSE '' END)
FROM array_to_string($1::int[], ',') AS ids

-- name: find_collisions
-- The runs that a new run would collide with, by run_id and by execution_date.
SELECT by_run_id.id IS NOT NULL AS run_id_taken, by_date.id IS NOT NULL AS date_taken, by_date.run_id AS run_at_date
FROM unnest(
    ARRAY(SELECT json_array_elements_text($1)),
    ARRAY(SELECT json_array_elements_text($2)),
    ARRAY(SELECT json_array_elements_text($3)::timestamptz)
) WITH ORDINALITY AS requested (dag_id, run_id, execution_date, n)
LEFT JOIN LATERAL (
    SELECT id FROM dag_run WHERE dag_id = requested.dag_id AND run_id = requested.run_id
) AS by_run_id ON true
LEFT JOIN LATERAL (
    SELECT id, run_id FROM dag_run WHERE dag_id = requested.dag_id AND execution_date = requested.execution_date
) AS by_date ON true
ORDER BY requested.n

-- name: dag_runs
-- A DAG's runs as JSON objects. $2 is the start of dag_run_url; a NULL filter does not filter.
SELECT row_to_json(run)::text
FROM dag_run
CROSS JOIN LATERAL (
    SELECT
        dag_id,
        $2::text || coalesce(to_char(execution_date AT TIME ZONE 'UTC', 'YYYY-MM-DD"+"HH24"%3A"MI"%3A"SS')
            || CASE WHEN extract(microseconds FROM execution_date)::int % 1000000 = 0 THEN ''
                    ELSE to_char(execution_date AT TIME ZONE 'UTC', '.US') END || '%2B00%3A00', '') AS dag_run_url,
        replace(to_char(execution_date AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US'), '.000000', '') || '+00:00'
            AS execution_date,
        id,
        run_id,
        coalesce(
            replace(to_char(start_date AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US'), '.000000', '') || '+00:00', '')
            AS start_date,
        state
) AS run
WHERE dag_run.dag_id = $1
    AND ($3::text[] IS NULL OR dag_run.state = ANY ($3))
    AND ($4::text IS NULL OR dag_run.run_id = $4)
    AND ($5::timestamptz IS NULL OR dag_run.execution_date >= $5)
    AND ($6::timestamptz IS NULL OR dag_run.execution_date <= $6)
    -- No run is listed if the DAG cannot be found.
    AND EXISTS (
        SELECT FROM dag
        LEFT JOIN serialized_dag ON serialized_dag.dag_id = coalesce(nullif(dag.root_dag_id, ''), dag.dag_id)
        WHERE dag.dag_id = $1
            AND (serialized_dag.dag_id IS NOT NULL OR NOT EXISTS (SELECT FROM serialized_dag))
    )
ORDER BY dag_run.execution_date, dag_run.id
LIMIT $7 OFFSET $8

-- name: dag_runs_descending
-- The same, from the newest on.
SELECT row_to_json(run)::text
FROM dag_run
CROSS JOIN LATERAL (
    SELECT
        dag_id,
        $2::text || coalesce(to_char(execution_date AT TIME ZONE 'UTC', 'YYYY-MM-DD"+"HH24"%3A"MI"%3A"SS')
            || CASE WHEN extract(microseconds FROM execution_date)::int % 1000000 = 0 THEN ''
                    ELSE to_char(execution_date AT TIME ZONE 'UTC', '.US') END || '%2B00%3A00', '') AS dag_run_url,
        replace(to_char(execution_date AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US'), '.000000', '') || '+00:00'
            AS execution_date,
        id,
        run_id,
        coalesce(
            replace(to_char(start_date AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US'), '.000000', '') || '+00:00', '')
            AS start_date,
        state
) AS run
WHERE dag_run.dag_id = $1
    AND ($3::text[] IS NULL OR dag_run.state = ANY ($3))
    AND ($4::text IS NULL OR dag_run.run_id = $4)
    AND ($5::timestamptz IS NULL OR dag_run.execution_date >= $5)
    AND ($6::timestamptz IS NULL OR dag_run.execution_date <= $6)
    -- No run is listed if the DAG cannot be found.
    AND EXISTS (
        SELECT FROM dag
        LEFT JOIN serialized_dag ON serialized_dag.dag_id = coalesce(nullif(dag.root_dag_id, ''), dag.dag_id)
        WHERE dag.dag_id = $1
            AND (serialized_dag.dag_id IS NOT NULL OR NOT EXISTS (SELECT FROM serialized_dag))
    )
ORDER BY dag_run.execution_date DESC NULLS LAST, dag_run.id DESC
LIMIT $7 OFFSET $8

-- name: count_dag_runs
SELECT count(*)
FROM dag_run
WHERE dag_id = $1
    AND ($2::text[] IS NULL OR state = ANY ($2))
    AND ($3::text IS NULL OR run_id = $3)
    AND ($4::timestamptz IS NULL OR execution_date >= $4)
    AND ($5::timestamptz IS NULL OR execution_date <= $5)

-- name: find_runs
-- Each run's state, found by DAG and execution_date, with what the answer needs to know about the DAG.
SELECT d.dag_id IS NOT NULL AS known, s.present OR NOT any_serialized.present AS serialized, r.id, r.state
FROM unnest(
    ARRAY(SELECT json_array_elements_text($1)),
    ARRAY(SELECT json_array_elements_text($2)::timestamptz)
) WITH ORDINALITY AS requested (dag_id, execution_date, n)
CROSS JOIN (SELECT EXISTS (SELECT FROM serialized_dag) AS present) AS any_serialized
LEFT JOIN LATERAL (
    SELECT dag.dag_id, coalesce(nullif(dag.root_dag_id, ''), dag.dag_id) AS root_dag_id
    FROM dag WHERE dag.dag_id = requested.dag_id
) AS d ON true
CROSS JOIN LATERAL (
    SELECT EXISTS (SELECT FROM serialized_dag WHERE serialized_dag.dag_id = d.root_dag_id) AS present
) AS s
LEFT JOIN LATERAL (
    SELECT dag_run.id, dag_run.state FROM dag_run
    WHERE dag_run.dag_id = requested.dag_id AND dag_run.execution_date = requested.execution_date
) AS r ON true
ORDER BY requested.n

-- name: find_task_instances
-- Each task instance with its run's state and what the answer needs to know about the DAG. Dates and `texts` (the answer
-- from `hostname` on) are written as Python's str shows them; a float and a pickle are left to Python.
SELECT d.dag_id IS NOT NULL AS known, d.root_dag_id, s.version, any_serialized.present AS any_serialized,
    r.id AS run, r.state AS run_state, ti.duration,
    CASE WHEN octet_length(ti.executor_config) > 262144 THEN '' ELSE ti.executor_config END AS executor_config,
    replace(to_char(ti.end_date AT TIME ZONE 'UTC', 'YYYY-MM-DD HH24:MI:SS.US'), '.000000', '')
        || '+00:00' AS end_date,
    replace(to_char(requested.execution_date AT TIME ZONE 'UTC', 'YYYY-MM-DD HH24:MI:SS.US'), '.000000', '')
        || '+00:00' AS execution_date,
    CASE WHEN ti.task_id IS NOT NULL THEN (
        SELECT row_to_json(texts)::text FROM (SELECT
            coalesce(ti.hostname, 'None') AS hostname,
            coalesce(ti.job_id::text, 'None') AS job_id,
            coalesce(ti.max_tries::text, 'None') AS max_tries,
            coalesce(ti.operator, 'None') AS operator,
            coalesce(ti.pid::text, 'None') AS pid,
            coalesce(ti.pool, 'None') AS pool,
            coalesce(ti.pool_slots::text, 'None') AS pool_slots,
            coalesce(ti.priority_weight::text, 'None') AS priority_weight,
            coalesce(ti.queue, 'None') AS queue,
            coalesce(replace(to_char(ti.queued_dttm AT TIME ZONE 'UTC', 'YYYY-MM-DD HH24:MI:SS.US'), '.000000', '')
                || '+00:00', 'None') AS queued_dttm,
            coalesce(replace(to_char(ti.start_date AT TIME ZONE 'UTC', 'YYYY-MM-DD HH24:MI:SS.US'), '.000000', '')
                || '+00:00', 'None') AS start_date,
            coalesce(ti.state, 'None') AS state,
            requested.task_id,
            'False'::text AS test_mode,
            coalesce(ti.unixname, 'None') AS unixname
        ) AS texts
    ) END AS texts
FROM unnest(
    ARRAY(SELECT json_array_elements_text($1)),
    ARRAY(SELECT json_array_elements_text($2)::timestamptz),
    ARRAY(SELECT json_array_elements_text($3))
) WITH ORDINALITY AS requested (dag_id, execution_date, task_id, n)
CROSS JOIN (SELECT EXISTS (SELECT FROM serialized_dag) AS present) AS any_serialized
LEFT JOIN LATERAL (
    SELECT dag.dag_id, coalesce(nullif(dag.root_dag_id, ''), dag.dag_id) AS root_dag_id
    FROM dag WHERE dag.dag_id = requested.dag_id
) AS d ON true
LEFT JOIN LATERAL (
    SELECT serialized_dag.xmin::text AS version FROM serialized_dag WHERE serialized_dag.dag_id = d.root_dag_id
) AS s ON true
LEFT JOIN LATERAL (
    SELECT dag_run.id, dag_run.state FROM dag_run
    WHERE dag_run.dag_id = requested.dag_id AND dag_run.execution_date = requested.execution_date
) AS r ON true
LEFT JOIN LATERAL (
    SELECT task_id, duration, executor_config, end_date, hostname, job_id, max_tries, operator, pid, pool, pool_slots,
        priority_weight, queue, queued_dttm, start_date, state, unixname
    FROM task_instance
    WHERE task_instance.task_id = requested.task_id AND task_instance.dag_id = requested.dag_id
        AND task_instance.execution_date = requested.execution_date
) AS ti ON true
ORDER BY requested.n

-- name: waiting_facts
-- Everything that a task of a run may wait for: the DAG, the run and those before it, the pool, the upstream tasks, the
-- limits. Each is found with an index, and of many rows only 10,000 are read.
SELECT d.is_paused, r.state AS run_state, r.execution_date > now() AS is_early,
    to_char(r.execution_date AT TIME ZONE 'UTC', 'YYYY-MM-DD HH24:MI:SS') || ' UTC' AS starts,
    EXISTS (
        SELECT FROM task_instance AS one WHERE one.dag_id = r.dag_id AND one.execution_date = r.execution_date
    ) AS begun,
    NULL::integer AS max_active_runs, NULL::integer AS max_active_tasks,
    ti.state, coalesce(ti.pool, $4::text) AS pool, ti.pool_slots AS wanted_slots, p.slots,
    (
        SELECT count(*) FROM (
            SELECT other.execution_date FROM dag_run AS other
            WHERE other.dag_id = r.dag_id AND other.state = 'running' LIMIT 10000
        ) AS other
        WHERE EXISTS (
            SELECT FROM task_instance AS one WHERE one.dag_id = r.dag_id AND one.execution_date = other.execution_date
        )
    ) AS active_runs,
    (
        SELECT coalesce(sum(coalesce(one.pool_slots, 1)), 0) FROM (
            SELECT pool_slots FROM task_instance
            WHERE pool = coalesce(ti.pool, $4::text) AND state IN ('queued', 'running') LIMIT 10000
        ) AS one
    ) AS used_slots,
    (
        SELECT count(*) FROM (
            SELECT FROM task_instance WHERE dag_id = r.dag_id AND state IN ('queued', 'running') LIMIT 10000
        ) AS one
    ) AS dag_tasks,
    (
        SELECT count(*) FROM (
            SELECT FROM task_instance
            WHERE dag_id = r.dag_id AND task_id = $3::text AND state IN ('queued', 'running') LIMIT 10000
        ) AS one
    ) AS same_tasks,
    (SELECT count(*) FROM (SELECT FROM task_instance WHERE state IN ('queued', 'running') LIMIT 10000) AS one) AS tasks,
    ARRAY (
        SELECT above.task_id FROM unnest($5::text[]) AS wanted (task_id)
        JOIN task_instance AS above ON above.task_id = wanted.task_id AND above.dag_id = r.dag_id
            AND above.execution_date = r.execution_date
        WHERE coalesce(above.state, '') NOT IN ('success', 'failed', 'skipped', 'upstream_failed', 'removed')
        ORDER BY 1 LIMIT 6
    ) AS unfinished,
    before.state AS run_before,
    to_char(before.execution_date AT TIME ZONE 'UTC', 'YYYY-MM-DD HH24:MI:SS') || ' UTC' AS before,
    (
        SELECT one.state FROM task_instance AS one
        WHERE one.dag_id = r.dag_id AND one.task_id = $3::text AND one.execution_date = before.execution_date
    ) AS state_before
FROM dag AS d
JOIN dag_run AS r ON r.dag_id = d.dag_id AND r.execution_date = $2::timestamptz
LEFT JOIN task_instance AS ti
    ON ti.dag_id = r.dag_id AND ti.execution_date = r.execution_date AND ti.task_id = $3::text
LEFT JOIN slot_pool AS p ON p.pool = coalesce(ti.pool, $4::text)
LEFT JOIN LATERAL (
    SELECT earlier.execution_date, earlier.state FROM dag_run AS earlier
    WHERE earlier.dag_id = r.dag_id AND earlier.execution_date < r.execution_date
    ORDER BY earlier.execution_date DESC LIMIT 1
) AS before ON true
WHERE d.dag_id = $1::text

-- name: latest_runs
-- The newest run of each DAG, found by walking the index from DAG to DAG: the cost grows with the DAGs, not with the runs.
-- $1 is the path of dag_run_url up to the dag_id.
WITH RECURSIVE dag_ids AS (
    SELECT min(dag_id) AS dag_id FROM dag_run
    UNION ALL
    SELECT (SELECT min(dag_run.dag_id) FROM dag_run WHERE dag_run.dag_id > dag_ids.dag_id)
    FROM dag_ids WHERE dag_ids.dag_id IS NOT NULL
)
SELECT '{"items":[' || coalesce(string_agg(row_to_json(run)::text, ',' ORDER BY newest.dag_id COLLATE "C"), '') || ']}'
FROM dag_ids
CROSS JOIN LATERAL (
    SELECT dag_run.dag_id, dag_run.execution_date, dag_run.start_date FROM dag_run
    WHERE dag_run.dag_id = dag_ids.dag_id AND dag_run.execution_date IS NOT NULL
    ORDER BY dag_run.execution_date DESC LIMIT 1
) AS newest
CROSS JOIN LATERAL (
    -- Airflow allows letters, digits, dots, dashes and underscores; anything else is percent-encoded byte by byte.
    SELECT CASE WHEN newest.dag_id ~ '^[A-Za-z0-9_.~-]*$' THEN newest.dag_id ELSE (
        SELECT string_agg(CASE WHEN c ~ '[A-Za-z0-9_.~-]' THEN c WHEN c = ' ' THEN '+'
            ELSE upper(regexp_replace(encode(convert_to(c, 'UTF8'), 'hex'), '(..)', '%\1', 'g')) END, '' ORDER BY i)
        FROM regexp_split_to_table(newest.dag_id, '') WITH ORDINALITY AS characters (c, i)
    ) END AS dag_id
) AS quoted
CROSS JOIN LATERAL (
    SELECT
        newest.dag_id,
        $1::text || quoted.dag_id || '&execution_date='
            || to_char(newest.execution_date AT TIME ZONE 'UTC', 'YYYY-MM-DD"+"HH24"%3A"MI"%3A"SS')
            || CASE WHEN extract(microseconds FROM newest.execution_date)::int % 1000000 = 0 THEN ''
                    ELSE to_char(newest.execution_date AT TIME ZONE 'UTC', '.US') END || '%2B00%3A00' AS dag_run_url,
        replace(to_char(newest.execution_date AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US'), '.000000', '') || '+00:00'
            AS execution_date,
        coalesce(
            replace(to_char(newest.start_date AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US'), '.000000', '') || '+00:00', '')
            AS start_date
) AS run

-- name: unfinished_runs
-- How many runs are in each state that is not final, at most 10,000 for each state. These tables have no index on states
-- alone, so the statement looks them up DAG by DAG.
SELECT wanted.state, counted.number
FROM unnest(ARRAY['queued', 'running']) AS wanted (state)
CROSS JOIN LATERAL (
    SELECT count(*) AS number
    FROM (
        SELECT FROM dag
        CROSS JOIN LATERAL (
            SELECT FROM dag_run WHERE dag_run.dag_id = dag.dag_id AND dag_run.state = wanted.state LIMIT 10000
        ) AS run
        LIMIT 10000
    ) AS found
) AS counted

-- name: dags
SELECT row_to_json(one)::text
FROM dag
CROSS JOIN LATERAL (
    SELECT
        dag_id,
        is_active,
        is_paused,
        owners,
        -- 1.10.12 and later store JSON, earlier releases the plain text; an interval stays Airflow's JSON.
        CASE WHEN schedule_interval ~ '^"([^"\\[:cntrl:]]|\\["\\/bfnrt])*"$' THEN schedule_interval::json #>> '{}'
            ELSE nullif(schedule_interval, 'null') END AS schedule_interval,
        ARRAY (SELECT name FROM dag_tag WHERE dag_tag.dag_id = dag.dag_id ORDER BY name) AS tags
) AS one
WHERE NOT coalesce(dag.is_subdag, false)
ORDER BY CASE WHEN NOT $3::boolean THEN dag.dag_id END COLLATE "C", dag.dag_id COLLATE "C" DESC
LIMIT $1 OFFSET $2

-- name: count_dags
SELECT count(*) FROM dag WHERE NOT coalesce(is_subdag, false)

-- name: lock_dag
-- The DAG that is to be deleted, with the ids of its sub-DAGs.
SELECT d.is_subdag, ARRAY[d.fileloc]::text[] AS filenames, NULL::text AS bundle_name,
    ARRAY (SELECT sub.dag_id FROM dag AS sub WHERE sub.is_subdag AND sub.root_dag_id = d.dag_id) AS subdag_ids
FROM dag AS d WHERE d.dag_id = $1 FOR UPDATE

-- What deleting a DAG deletes: each table that exists, in this order, children first; every row is counted.

-- name: delete_dag.task_reschedule
DELETE FROM task_reschedule WHERE dag_id = ANY ($1::text[])

-- name: delete_dag.rendered_task_instance_fields
DELETE FROM rendered_task_instance_fields WHERE dag_id = ANY ($1::text[])

-- name: delete_dag.sla_miss
DELETE FROM sla_miss WHERE dag_id = ANY ($1::text[])

-- name: delete_dag.task_fail
DELETE FROM task_fail WHERE dag_id = ANY ($1::text[])

-- name: delete_dag.xcom
DELETE FROM xcom WHERE dag_id = ANY ($1::text[])

-- name: delete_dag.task_instance
DELETE FROM task_instance WHERE dag_id = ANY ($1::text[])

-- name: delete_dag.dag_run
DELETE FROM dag_run WHERE dag_id = ANY ($1::text[])

-- name: delete_dag.job
DELETE FROM job WHERE dag_id = ANY ($1::text[])

-- name: delete_dag.dag_tag
DELETE FROM dag_tag WHERE dag_id = ANY ($1::text[])

-- name: delete_dag.serialized_dag
DELETE FROM serialized_dag WHERE dag_id = ANY ($1::text[])

-- name: delete_dag.dag
DELETE FROM dag WHERE dag_id = ANY ($1::text[])

-- name: delete_import_error
-- Deleted with the DAG, but not a row of the DAG, so not counted.
DELETE FROM import_error WHERE filename = ANY ($1::text[]) AND $2::text IS NULL
