-- The statements for Airflow 1.10's tables, which are also those of the standalone database: common.sql, then these.

-- fragment: run_in_url(run)
coalesce(replace({date_and_time({run}.execution_date, "+")}, ':', '%3A') || '%2B00%3A00', '')

-- fragment: dag_in_url(dag_id)
replace({percent_encoded({dag_id})}, '%20', '+')

-- fragment: has_begun(run)
EXISTS (SELECT FROM task_instance AS begun WHERE {same_run(begun, {run})})

-- fragment: chosen_instance
task_instance.dag_id = requested.dag_id AND task_instance.execution_date = r.execution_date
AND task_instance.task_id = requested.task_id

-- fragment: mapped_instances
-- Airflow 1.10 has no mapped tasks.

-- name: trigger
WITH requested AS (
    SELECT * FROM unnest(
        ARRAY(SELECT json_array_elements_text($1)),
        ARRAY(SELECT json_array_elements_text($2)),
        ARRAY(SELECT json_array_elements_text($3)::timestamptz),
        ARRAY(SELECT decode(json_array_elements_text($4), 'base64')),
        ARRAY(SELECT json_array_elements_text($5)),
        ARRAY(SELECT json_array_elements_text($6))
    ) WITH ORDINALITY AS r (dag_id, run_id, execution_date, conf, root_dag_id, version, n)
),
{checked_runs($7)}
, created AS (
    INSERT INTO dag_run (id, dag_id, run_id, execution_date, conf, state, external_trigger, start_date)
    SELECT id, dag_id, run_id, execution_date, conf, 'running', true, now()
    FROM numbered
    WHERE id IS NOT NULL
    ORDER BY dag_id, execution_date, run_id, n
    ON CONFLICT DO NOTHING
    RETURNING id
)
{made_runs}

-- name: trigger_family
-- A DAG and its sub-DAGs together, or none of them: a collision raises an error, so nothing is inserted.
WITH parent AS (
    SELECT dag.dag_id, dag.is_paused, s.version IS NOT DISTINCT FROM $6::text AS fresh,
        {is_active} AS is_active, {is_broken} AS is_broken
    FROM dag
    LEFT JOIN LATERAL (
        {serialized_version($5::text, NULL)}
    ) AS s ON true
    WHERE dag.dag_id = ($1::text[])[1]
), schema AS (
    {is_migrated($7)}
), created AS (
    INSERT INTO dag_run (dag_id, run_id, execution_date, conf, state, external_trigger, start_date)
    SELECT member, $2::text, $3::timestamptz, $4::bytea, 'running', true, now()
    FROM parent, schema, unnest($1::text[]) AS member
    WHERE parent.fresh AND NOT schema.migrated
    ORDER BY member
    RETURNING id
)
SELECT migrated, true AS known, fresh, is_paused, is_active, is_broken, (SELECT min(id) FROM created) AS id,
    (SELECT array_agg(id) FROM created) AS ids
FROM parent, schema

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

-- name: find_log_facts
-- What the name of a task instance's log is made of, and where it may be. Its template is in the configuration, and it has no
-- map_index ($4).
SELECT ti.try_number, ti.state, ti.hostname, r.run_id, -1 AS map_index, {iso_date(ti.execution_date)} AS logical_date,
    NULL AS data_interval_start, NULL AS data_interval_end, NULL::text[] AS templates
FROM task_instance AS ti
LEFT JOIN dag_run AS r ON r.dag_id = ti.dag_id AND r.execution_date = ti.execution_date
WHERE ti.dag_id = $1 AND ti.task_id = $2 AND ti.execution_date = $3::text::timestamptz AND $4::integer IS NOT NULL

-- fragment: state_if_failed
CASE WHEN ti.state = 'running' THEN 'failed' END

-- fragment: changed_columns
state = new.state

-- fragment: state_of_cleared
'shutdown'

-- name: steering.end_run
UPDATE dag_run SET end_date = now(), state = $2::text WHERE id = $1

-- name: steering.requeue_run
UPDATE dag_run SET state = 'running', start_date = now(), end_date = CASE WHEN state = 'running' THEN end_date END
WHERE id = $1 AND $2::boolean IS NOT NULL
RETURNING state

-- name: steering.delete_run
-- No foreign key takes along what belongs to the run. The number of all rows.
WITH run AS (
    SELECT dag_id, execution_date FROM dag_run WHERE id = $1
), task_reschedules AS (
    DELETE FROM task_reschedule AS one USING run WHERE {same_run(one, run)} RETURNING 1
), task_fails AS (
    DELETE FROM task_fail AS one USING run WHERE {same_run(one, run)} RETURNING 1
), xcoms AS (
    DELETE FROM xcom AS one USING run WHERE {same_run(one, run)} RETURNING 1
), rendered AS (
    DELETE FROM rendered_task_instance_fields AS one USING run WHERE {same_run(one, run)} RETURNING 1
), sla_misses AS (
    DELETE FROM sla_miss AS one USING run WHERE {same_run(one, run)} RETURNING 1
), instances AS (
    DELETE FROM task_instance AS one USING run WHERE {same_run(one, run)} RETURNING 1
), deleted AS (
    DELETE FROM dag_run WHERE id = $1 RETURNING 1
)
SELECT (SELECT count(*) FROM task_reschedules) + (SELECT count(*) FROM task_fails) + (SELECT count(*) FROM xcoms)
    + (SELECT count(*) FROM rendered) + (SELECT count(*) FROM sla_misses) + (SELECT count(*) FROM instances)
    + (SELECT count(*) FROM deleted)
