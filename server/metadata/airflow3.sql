-- The statements for Airflow 3.x: common.sql, then newer.sql, then these. A DAG has a row of `serialized_dag` for each
-- row of `dag_version`; the newest counts.

-- name: serialized_dag
-- The JSON of a serialized DAG, or its zlib; neither where it has more than $2 bytes.
SELECT serialized_dag.xmin::text AS version,
    CASE WHEN octet_length(data::text) <= $2 THEN data::text END AS data,
    CASE WHEN data IS NULL AND octet_length(data_compressed) <= $2 THEN data_compressed END AS data_compressed
FROM dag_version JOIN serialized_dag ON serialized_dag.dag_version_id = dag_version.id
WHERE dag_version.dag_id = $1
ORDER BY dag_version.version_number DESC LIMIT 1

-- name: find_dags
-- What is known of each DAG; `version` changes whenever its newest serialized row is another, or written anew.
SELECT d.dag_id IS NOT NULL AS known, d.is_paused, d.dag_id AS root_dag_id, s.version, true AS any_serialized
FROM unnest(ARRAY(SELECT json_array_elements_text($1))) WITH ORDINALITY AS requested (dag_id, n)
LEFT JOIN LATERAL (SELECT dag.dag_id, dag.is_paused FROM dag WHERE dag.dag_id = requested.dag_id) AS d ON true
LEFT JOIN LATERAL (
    SELECT serialized_dag.xmin::text AS version
    FROM dag_version JOIN serialized_dag ON serialized_dag.dag_version_id = dag_version.id
    WHERE dag_version.dag_id = d.dag_id
    ORDER BY dag_version.version_number DESC LIMIT 1
) AS s ON true
ORDER BY requested.n

-- name: dag_code
SELECT left(dag_code.source_code, $2)
FROM dag_version JOIN dag_code ON dag_code.dag_version_id = dag_version.id
WHERE dag_version.dag_id = $1
ORDER BY dag_version.version_number DESC LIMIT 1

-- name: pause_dag
UPDATE dag SET is_paused = $2 WHERE dag_id = $1 RETURNING dag_id

-- name: trigger
-- One row a request: inserted where the DAG is known and its serialized row is the one that the request was checked
-- against (`fresh`). A row that is known and fresh but has no id collided with another run, perhaps of this statement.
-- Each request has its id before the insert, so an id that was stored tells whose run it is.
-- bundle_version stays NULL: anything else makes the scheduler call the run a success without running a task.
WITH requested AS (
    SELECT * FROM unnest(
        ARRAY(SELECT json_array_elements_text($1)),
        ARRAY(SELECT json_array_elements_text($2)),
        ARRAY(SELECT json_array_elements_text($3)::timestamptz),
        ARRAY(SELECT json_array_elements_text($4)::jsonb),
        ARRAY(SELECT json_array_elements_text($5)),
        ARRAY(SELECT json_array_elements_text($6)),
        ARRAY(SELECT json_array_elements_text($7)::timestamptz),
        ARRAY(SELECT json_array_elements_text($8)::timestamptz)
    ) WITH ORDINALITY AS r (dag_id, run_id, logical_date, conf, root_dag_id, version, data_interval_start, data_interval_end, n)
), checked AS (
    SELECT requested.*, d.dag_id IS NOT NULL AS known, d.is_paused, NOT d.is_stale AS is_active,
        d.is_broken, s.dag_version_id, s.version IS NOT DISTINCT FROM requested.version AS fresh
    FROM requested
    LEFT JOIN LATERAL (
        SELECT dag.dag_id, dag.is_paused, dag.is_stale,
            EXISTS (
                SELECT FROM import_error
                WHERE import_error.filename = dag.relative_fileloc AND import_error.bundle_name = dag.bundle_name
            ) OR EXISTS (
                SELECT FROM import_error
                WHERE import_error.filename = dag.fileloc AND import_error.bundle_name = dag.bundle_name
            ) AS is_broken
        FROM dag WHERE dag.dag_id = requested.dag_id
    ) AS d ON true
    LEFT JOIN LATERAL (
        SELECT serialized_dag.xmin::text AS version, serialized_dag.dag_version_id
        FROM dag_version JOIN serialized_dag ON serialized_dag.dag_version_id = dag_version.id
        WHERE dag_version.dag_id = requested.root_dag_id
        ORDER BY dag_version.version_number DESC LIMIT 1
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
        created_at,  -- if dag_run.created_at
        id, dag_id, run_id, logical_date, run_after, conf, state, run_type, triggered_by, queued_at, updated_at,
        data_interval_start, data_interval_end, log_template_id, created_dag_version_id, clear_number, span_status)
    SELECT
        now(),  -- if dag_run.created_at
        id, dag_id, run_id, logical_date, greatest(now(), logical_date), conf, 'queued', 'manual', 'REST_API', now(), now(),
        data_interval_start, data_interval_end, (SELECT max(id) FROM log_template), dag_version_id, 0, 'not_started'
    FROM numbered
    WHERE id IS NOT NULL
    ORDER BY dag_id, logical_date, run_id, n
    ON CONFLICT DO NOTHING
    RETURNING id
)
SELECT numbered.migrated, numbered.known, numbered.fresh, numbered.is_paused, numbered.is_active, numbered.is_broken,
    created.id
FROM numbered LEFT JOIN created ON created.id = numbered.id
ORDER BY numbered.n

-- name: find_collisions
-- The runs that a new run would collide with: by run_id, and by date.
SELECT by_run_id.id IS NOT NULL AS run_id_taken, by_date.id IS NOT NULL AS date_taken, by_date.run_id AS run_at_date
FROM unnest(
    ARRAY(SELECT json_array_elements_text($1)),
    ARRAY(SELECT json_array_elements_text($2)),
    ARRAY(SELECT json_array_elements_text($3)::timestamptz)
) WITH ORDINALITY AS requested (dag_id, run_id, logical_date, n)
LEFT JOIN LATERAL (
    SELECT id FROM dag_run WHERE dag_id = requested.dag_id AND run_id = requested.run_id
) AS by_run_id ON true
LEFT JOIN LATERAL (
    SELECT id, run_id FROM dag_run WHERE dag_id = requested.dag_id AND logical_date = requested.logical_date
) AS by_date ON true
ORDER BY requested.n

-- name: dag_runs
-- A DAG's runs as JSON objects. $2 is the start of dag_run_url; a NULL filter does not filter.
SELECT row_to_json(run)::text
FROM dag_run
CROSS JOIN LATERAL (
    SELECT
        dag_id,
        $2::text ||
            -- Percent-encoded byte by byte; nearly every run_id is of characters that need no such care.
            CASE WHEN run_id ~ '^[A-Za-z0-9_.~:+-]*$' THEN replace(replace(run_id, ':', '%3A'), '+', '%2B') ELSE (
                SELECT string_agg(CASE WHEN c ~ '[A-Za-z0-9_.~-]' THEN c
                    ELSE upper(regexp_replace(encode(convert_to(c, 'UTF8'), 'hex'), '(..)', '%\1', 'g')) END, '' ORDER BY i)
                FROM regexp_split_to_table(run_id, '') WITH ORDINALITY AS characters (c, i)
            ) END AS dag_run_url,
        replace(to_char(logical_date AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US'), '.000000', '') || '+00:00'
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
    AND ($5::timestamptz IS NULL OR dag_run.logical_date >= $5)
    AND ($6::timestamptz IS NULL OR dag_run.logical_date <= $6)
    -- No run is listed of a DAG that is not to be found.
    AND EXISTS (
        SELECT FROM dag
        JOIN dag_version ON dag_version.dag_id = dag.dag_id
        JOIN serialized_dag ON serialized_dag.dag_version_id = dag_version.id
        WHERE dag.dag_id = $1
    )
ORDER BY dag_run.logical_date, dag_run.id
LIMIT $7 OFFSET $8

-- name: dag_runs_descending
-- The same from the newest on.
SELECT row_to_json(run)::text
FROM dag_run
CROSS JOIN LATERAL (
    SELECT
        dag_id,
        $2::text ||
            -- Percent-encoded byte by byte; nearly every run_id is of characters that need no such care.
            CASE WHEN run_id ~ '^[A-Za-z0-9_.~:+-]*$' THEN replace(replace(run_id, ':', '%3A'), '+', '%2B') ELSE (
                SELECT string_agg(CASE WHEN c ~ '[A-Za-z0-9_.~-]' THEN c
                    ELSE upper(regexp_replace(encode(convert_to(c, 'UTF8'), 'hex'), '(..)', '%\1', 'g')) END, '' ORDER BY i)
                FROM regexp_split_to_table(run_id, '') WITH ORDINALITY AS characters (c, i)
            ) END AS dag_run_url,
        replace(to_char(logical_date AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US'), '.000000', '') || '+00:00'
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
    AND ($5::timestamptz IS NULL OR dag_run.logical_date >= $5)
    AND ($6::timestamptz IS NULL OR dag_run.logical_date <= $6)
    -- No run is listed of a DAG that is not to be found.
    AND EXISTS (
        SELECT FROM dag
        JOIN dag_version ON dag_version.dag_id = dag.dag_id
        JOIN serialized_dag ON serialized_dag.dag_version_id = dag_version.id
        WHERE dag.dag_id = $1
    )
ORDER BY dag_run.logical_date DESC NULLS LAST, dag_run.id DESC
LIMIT $7 OFFSET $8

-- name: count_dag_runs
SELECT count(*)
FROM dag_run
WHERE dag_id = $1
    AND ($2::text[] IS NULL OR state = ANY ($2))
    AND ($3::text IS NULL OR run_id = $3)
    AND ($4::timestamptz IS NULL OR logical_date >= $4)
    AND ($5::timestamptz IS NULL OR logical_date <= $5)

-- name: find_runs
-- Each run's state, found by DAG and date, with what the answer must know of the DAG.
SELECT d.dag_id IS NOT NULL AS known, s.present AS serialized, r.id, r.state
FROM unnest(
    ARRAY(SELECT json_array_elements_text($1)),
    ARRAY(SELECT json_array_elements_text($2)::timestamptz)
) WITH ORDINALITY AS requested (dag_id, logical_date, n)
LEFT JOIN LATERAL (SELECT dag.dag_id FROM dag WHERE dag.dag_id = requested.dag_id) AS d ON true
CROSS JOIN LATERAL (
    SELECT EXISTS (
        SELECT FROM dag_version JOIN serialized_dag ON serialized_dag.dag_version_id = dag_version.id
        WHERE dag_version.dag_id = d.dag_id
    ) AS present
) AS s
LEFT JOIN LATERAL (
    SELECT dag_run.id, dag_run.state FROM dag_run
    WHERE dag_run.dag_id = requested.dag_id AND dag_run.logical_date = requested.logical_date
) AS r ON true
ORDER BY requested.n

-- name: latest_runs
-- The newest run of each DAG by run_after: one without a date may be newer than all that have one. No index has a DAG's
-- runs in that order. The latest runs of all DAGs hold the newest one of each DAG that ran lately; the cost does not grow
-- with the runs. For any other DAG all of its runs are read: (run_after, id) is compared as a row so that no plan walks the
-- index of every DAG's runs instead. $1 is the path of dag_run_url up to the dag_id.
WITH RECURSIVE dag_ids AS (
    SELECT min(dag_id) AS dag_id FROM dag_run
    UNION ALL
    SELECT (SELECT min(dag_run.dag_id) FROM dag_run WHERE dag_run.dag_id > dag_ids.dag_id)
    FROM dag_ids WHERE dag_ids.dag_id IS NOT NULL
), recent AS (
    SELECT id, dag_id, run_id, run_after, logical_date, start_date FROM dag_run ORDER BY run_after DESC, id DESC LIMIT 5000
), recent_by_dag AS (
    SELECT DISTINCT ON (dag_id) * FROM recent ORDER BY dag_id, run_after DESC, id DESC
)
SELECT '{"items":[' || coalesce(string_agg(row_to_json(run)::text, ',' ORDER BY dag_ids.dag_id COLLATE "C"), '') || ']}'
FROM dag_ids
LEFT JOIN recent_by_dag AS r ON r.dag_id = dag_ids.dag_id
CROSS JOIN LATERAL (
    SELECT r.dag_id, r.run_id, r.logical_date, r.start_date WHERE r.id IS NOT NULL
    UNION ALL
    (SELECT dag_id, run_id, logical_date, start_date FROM dag_run
        WHERE r.id IS NULL AND dag_run.dag_id = dag_ids.dag_id ORDER BY (run_after, id) DESC LIMIT 1)
) AS newest
CROSS JOIN LATERAL (
    -- Anything but letters, digits, dots, dashes and underscores is percent-encoded byte by byte.
    SELECT string_agg(text, '') FILTER (WHERE part = 1) AS dag_id, string_agg(text, '') FILTER (WHERE part = 2) AS run_id
    FROM (
        SELECT part, CASE WHEN c ~ '[A-Za-z0-9_.~-]' THEN c
            ELSE upper(regexp_replace(encode(convert_to(c, 'UTF8'), 'hex'), '(..)', '%\1', 'g')) END AS text
        FROM (VALUES (1, newest.dag_id), (2, newest.run_id)) AS ids (part, id),
            regexp_split_to_table(ids.id, '') WITH ORDINALITY AS characters (c, i)
        ORDER BY part, i
    ) AS encoded
) AS quoted
CROSS JOIN LATERAL (
    SELECT
        newest.dag_id,
        $1::text || quoted.dag_id || '/runs/' || quoted.run_id AS dag_run_url,
        replace(to_char(newest.logical_date AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US'), '.000000', '') || '+00:00'
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
        NOT coalesce(is_stale, false) AS is_active,
        is_paused,
        owners,
        timetable_summary AS schedule_interval,
        ARRAY (SELECT name FROM dag_tag WHERE dag_tag.dag_id = dag.dag_id ORDER BY name) AS tags
) AS one
ORDER BY CASE WHEN NOT $3::boolean THEN dag.dag_id END COLLATE "C", dag.dag_id COLLATE "C" DESC
LIMIT $1 OFFSET $2

-- name: lock_dag
-- The DAG that is to be deleted; this Airflow has no sub-DAGs.
SELECT false AS is_subdag, ARRAY[d.fileloc, d.relative_fileloc]::text[] AS filenames, d.bundle_name,
    ARRAY[]::text[] AS subdag_ids
FROM dag AS d WHERE d.dag_id = $1 FOR UPDATE

-- name: delete_import_error
-- Goes with the DAG, but is not a row of the DAG: not counted.
DELETE FROM import_error WHERE filename = ANY ($1::text[]) AND bundle_name IS NOT DISTINCT FROM $2::text
