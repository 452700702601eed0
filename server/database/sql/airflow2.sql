-- The statements for Airflow 2.x: common.sql, then newer.sql, then these.

-- name: serialized_dag
-- The JSON of a serialized DAG, or its zlib form; neither if it has more than $2 bytes.
SELECT xmin::text AS version,
    CASE WHEN octet_length(data::text) <= $2 THEN data::text END AS data,
    CASE WHEN data IS NULL AND octet_length(data_compressed) <= $2 THEN data_compressed END AS data_compressed
FROM serialized_dag WHERE dag_id = $1

-- name: find_dags
-- What is known about each DAG; `version` changes whenever its serialized row (that of the root DAG) is written again.
SELECT d.dag_id IS NOT NULL AS known, d.is_paused, d.root_dag_id, s.version, true AS any_serialized
FROM unnest(ARRAY(SELECT json_array_elements_text($1))) WITH ORDINALITY AS requested (dag_id, n)
LEFT JOIN LATERAL (
    SELECT dag.dag_id, dag.is_paused, coalesce(nullif(dag.root_dag_id, ''), dag.dag_id) AS root_dag_id
    FROM dag WHERE dag.dag_id = requested.dag_id
) AS d ON true
LEFT JOIN LATERAL (
    SELECT serialized_dag.xmin::text AS version FROM serialized_dag WHERE serialized_dag.dag_id = d.root_dag_id
) AS s ON true
ORDER BY requested.n

-- name: trigger
-- One row for each request: a run is inserted if the DAG is known and its serialized row is the one that the request was
-- checked against (`fresh`). A row that is known and fresh but has no id collided with another run, perhaps of this
-- statement. Each request has its id before the insert, so a stored id tells whose run it is. dag_hash stays NULL: this, and
-- the lack of task instances, makes the scheduler create them.
WITH requested AS (
    SELECT * FROM unnest(
        ARRAY(SELECT json_array_elements_text($1)),
        ARRAY(SELECT json_array_elements_text($2)),
        ARRAY(SELECT json_array_elements_text($3)::timestamptz),
        ARRAY(SELECT decode(json_array_elements_text($4), 'base64')),
        ARRAY(SELECT json_array_elements_text($5)),
        ARRAY(SELECT json_array_elements_text($6)),
        ARRAY(SELECT json_array_elements_text($7)::timestamptz),
        ARRAY(SELECT json_array_elements_text($8)::timestamptz)
    ) WITH ORDINALITY AS r (dag_id, run_id, execution_date, conf, root_dag_id, version, data_interval_start, data_interval_end, n)
), checked AS (
    SELECT requested.*, d.dag_id IS NOT NULL AS known, d.is_paused, d.is_active, d.is_broken,
        s.version IS NOT DISTINCT FROM requested.version AS fresh
    FROM requested
    LEFT JOIN LATERAL (
        SELECT dag.dag_id, dag.is_paused, dag.is_active,
            dag.fileloc IN (SELECT import_error.filename FROM import_error) AS is_broken
        FROM dag WHERE dag.dag_id = requested.dag_id
    ) AS d ON true
    LEFT JOIN LATERAL (
        SELECT serialized_dag.xmin::text AS version FROM serialized_dag
        WHERE serialized_dag.dag_id = requested.root_dag_id
    ) AS s ON true
), schema AS (
    -- Whether a migration has been committed since the statement was made for a revision.
    SELECT coalesce(string_agg(version_num, ' ' ORDER BY version_num COLLATE "C"), '') <> $9::text AS migrated
    FROM alembic_version
), numbered AS (
    SELECT *, CASE WHEN known AND fresh AND NOT migrated THEN nextval((
        SELECT coalesce(pg_get_serial_sequence('dag_run', 'id'), 'dag_run_id_seq')::regclass
    )) END AS id
    FROM checked CROSS JOIN schema
), created AS (
    INSERT INTO dag_run (
        clear_number,  -- if dag_run.clear_number
        id, dag_id, run_id, execution_date, conf, state, run_type, external_trigger, queued_at, updated_at,
        data_interval_start, data_interval_end, log_template_id)
    SELECT
        0,  -- if dag_run.clear_number
        id, dag_id, run_id, execution_date, conf, 'queued', 'manual', true, now(), now(),
        data_interval_start, data_interval_end, (SELECT max(id) FROM log_template)
    FROM numbered
    WHERE id IS NOT NULL
    ORDER BY dag_id, execution_date, run_id, n
    ON CONFLICT DO NOTHING
    RETURNING id
)
SELECT numbered.migrated, numbered.known, numbered.fresh, numbered.is_paused, numbered.is_active, numbered.is_broken,
    created.id
FROM numbered LEFT JOIN created ON created.id = numbered.id
ORDER BY numbered.n

-- name: trigger_family
-- A DAG and its sub-DAGs together, or none of them: a collision raises an error, so nothing is inserted. A sub-DAG has no
-- serialized row, so for the scheduler a NULL dag_hash would mean "unchanged", and it would call the run a success without
-- running a task. So the sub-DAG's run gets the parent's hash, as Airflow writes it.
WITH parent AS (
    SELECT d.dag_id, d.is_paused, d.is_active, s.version IS NOT DISTINCT FROM $6::text AS fresh, s.dag_hash,
        d.fileloc IN (SELECT import_error.filename FROM import_error) AS is_broken
    FROM dag AS d
    LEFT JOIN LATERAL (
        SELECT serialized_dag.xmin::text AS version, serialized_dag.dag_hash FROM serialized_dag
        WHERE serialized_dag.dag_id = $5::text
    ) AS s ON true
    WHERE d.dag_id = ($1::text[])[1]
), schema AS (
    -- Whether a migration has been committed since the statement was made for a revision.
    SELECT coalesce(string_agg(version_num, ' ' ORDER BY version_num COLLATE "C"), '') <> $9::text AS migrated
    FROM alembic_version
), created AS (
    INSERT INTO dag_run (
        clear_number,  -- if dag_run.clear_number
        dag_id, run_id, execution_date, conf, state, run_type, external_trigger, queued_at, updated_at,
        data_interval_start, data_interval_end, log_template_id, dag_hash)
    SELECT
        0,  -- if dag_run.clear_number
        member, $2::text, $3::timestamptz, $4::bytea, 'queued', 'manual', true, now(), now(),
        $7::timestamptz, $8::timestamptz, (SELECT max(id) FROM log_template),
        CASE WHEN member <> $5::text THEN parent.dag_hash END
    FROM parent, schema, unnest($1::text[]) AS member
    WHERE parent.fresh AND NOT schema.migrated
    ORDER BY member
    RETURNING id
)
SELECT migrated, true AS known, fresh, is_paused, is_active, is_broken, (SELECT min(id) FROM created) AS id,
    (SELECT array_agg(id) FROM created) AS ids
FROM parent, schema

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
        $2::text || to_char(execution_date AT TIME ZONE 'UTC', 'YYYY-MM-DD"+"HH24:MI:SS')
            || CASE WHEN extract(microseconds FROM execution_date)::int % 1000000 = 0 THEN ''
                    ELSE to_char(execution_date AT TIME ZONE 'UTC', '.US') END || '%2B00:00' AS dag_run_url,
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
        SELECT FROM dag JOIN serialized_dag ON serialized_dag.dag_id = coalesce(nullif(dag.root_dag_id, ''), dag.dag_id)
        WHERE dag.dag_id = $1
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
        $2::text || to_char(execution_date AT TIME ZONE 'UTC', 'YYYY-MM-DD"+"HH24:MI:SS')
            || CASE WHEN extract(microseconds FROM execution_date)::int % 1000000 = 0 THEN ''
                    ELSE to_char(execution_date AT TIME ZONE 'UTC', '.US') END || '%2B00:00' AS dag_run_url,
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
        SELECT FROM dag JOIN serialized_dag ON serialized_dag.dag_id = coalesce(nullif(dag.root_dag_id, ''), dag.dag_id)
        WHERE dag.dag_id = $1
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
SELECT d.dag_id IS NOT NULL AS known, s.present AS serialized, r.id, r.state
FROM unnest(
    ARRAY(SELECT json_array_elements_text($1)),
    ARRAY(SELECT json_array_elements_text($2)::timestamptz)
) WITH ORDINALITY AS requested (dag_id, execution_date, n)
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
        SELECT string_agg(CASE WHEN c ~ '[A-Za-z0-9_.~-]' THEN c
            ELSE upper(regexp_replace(encode(convert_to(c, 'UTF8'), 'hex'), '(..)', '%\1', 'g')) END, '' ORDER BY i)
        FROM regexp_split_to_table(newest.dag_id, '') WITH ORDINALITY AS characters (c, i)
    ) END AS dag_id
) AS quoted
CROSS JOIN LATERAL (
    SELECT
        newest.dag_id,
        $1::text || quoted.dag_id || '/graph?execution_date='
            || to_char(newest.execution_date AT TIME ZONE 'UTC', 'YYYY-MM-DD"+"HH24:MI:SS')
            || CASE WHEN extract(microseconds FROM newest.execution_date)::int % 1000000 = 0 THEN ''
                    ELSE to_char(newest.execution_date AT TIME ZONE 'UTC', '.US') END || '%2B00:00' AS dag_run_url,
        replace(to_char(newest.execution_date AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US'), '.000000', '') || '+00:00'
            AS execution_date,
        coalesce(
            replace(to_char(newest.start_date AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US'), '.000000', '') || '+00:00', '')
            AS start_date
) AS run

-- name: dags
SELECT row_to_json(one)::text
FROM dag
CROSS JOIN LATERAL (
    SELECT
        dag_id,
        is_active,
        is_paused,
        owners,
        -- Stored as JSON; an interval stays Airflow's JSON.
        CASE WHEN schedule_interval ~ '^"([^"\\[:cntrl:]]|\\["\\/bfnrt])*"$' THEN schedule_interval::json #>> '{}'
            ELSE nullif(schedule_interval, 'null') END AS schedule_interval,
        ARRAY (SELECT name FROM dag_tag WHERE dag_tag.dag_id = dag.dag_id ORDER BY name) AS tags
) AS one
WHERE NOT coalesce(dag.is_subdag, false)
ORDER BY CASE WHEN NOT $3::boolean THEN dag.dag_id END COLLATE "C", dag.dag_id COLLATE "C" DESC
LIMIT $1 OFFSET $2

-- name: lock_dag
-- The DAG that is to be deleted, with the ids of its sub-DAGs.
SELECT d.is_subdag, ARRAY[d.fileloc]::text[] AS filenames, NULL::text AS bundle_name,
    ARRAY (SELECT sub.dag_id FROM dag AS sub WHERE sub.is_subdag AND sub.root_dag_id = d.dag_id) AS subdag_ids
FROM dag AS d WHERE d.dag_id = $1 FOR UPDATE

-- name: delete_import_error
-- Deleted with the DAG, but not a row of the DAG, so not counted.
DELETE FROM import_error WHERE filename = ANY ($1::text[]) AND $2::text IS NULL
