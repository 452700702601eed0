-- The statements for Airflow 2.x: common.sql, then newer.sql, then these.

-- fragment: is_active
dag.is_active

-- fragment: run_in_url(run)
{date_and_time({run}.execution_date, "+")} || '%2B00:00'

-- name: trigger
-- dag_hash stays NULL: this, and the lack of task instances, makes the scheduler create them.
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
),
{checked_runs($9)}
, created AS (
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
{made_runs}

-- name: trigger_family
-- A DAG and its sub-DAGs together, or none of them: a collision raises an error, so nothing is inserted. A sub-DAG has no
-- serialized row, so for the scheduler a NULL dag_hash would mean "unchanged", and it would call the run a success without
-- running a task. So the sub-DAG's run gets the parent's hash, as Airflow writes it.
WITH parent AS (
    SELECT dag.dag_id, dag.is_paused, s.version IS NOT DISTINCT FROM $6::text AS fresh, s.dag_hash,
        {is_active} AS is_active, {is_broken} AS is_broken
    FROM dag
    LEFT JOIN LATERAL (
        SELECT serialized_dag.xmin::text AS version, serialized_dag.dag_hash FROM serialized_dag
        WHERE serialized_dag.dag_id = $5::text
    ) AS s ON true
    WHERE dag.dag_id = ($1::text[])[1]
), schema AS (
    {is_migrated($9)}
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
