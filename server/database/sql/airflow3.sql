-- The statements for Airflow 3.x: common.sql, then newer.sql, then these. A DAG has a row in `serialized_dag` for each row
-- in `dag_version`; the newest one counts.

-- fragment: is_of_file(one, other)
{one}.bundle_name = {other}.bundle_name
AND ({one}.relative_fileloc = {other}.relative_fileloc OR {one}.fileloc = {other}.fileloc)

-- fragment: root_dag_id
dag.dag_id

-- fragment: version_of(bundle_version)
-- The version includes whether the DAG's bundle has versions, because that may change while the serialized row stays.
serialized_dag.xmin::text || CASE WHEN {bundle_version} IS NULL THEN '' ELSE ' of a bundle' END

-- fragment: serialized_version(dag_id, bundle_version)
SELECT {version_of({bundle_version})} AS version, serialized_dag.dag_version_id
FROM dag_version JOIN serialized_dag ON serialized_dag.dag_version_id = dag_version.id
WHERE dag_version.dag_id = {dag_id}
ORDER BY dag_version.version_number DESC LIMIT 1

-- fragment: is_serialized(dag_id)
EXISTS (
    SELECT FROM dag_version JOIN serialized_dag ON serialized_dag.dag_version_id = dag_version.id
    WHERE dag_version.dag_id = {dag_id}
)

-- fragment: run_date
logical_date

-- fragment: run_in_url(run)
{percent_encoded({run}.run_id)}

-- fragment: conf_in_bytes(run)
{in_utf8({run}.conf::text)}

-- fragment: is_error_of(dag)
import_error.bundle_name = {dag}.bundle_name
AND import_error.filename IN ({dag}.relative_fileloc, {dag}.fileloc)

-- fragment: run_start(run)
{run}.run_after

-- fragment: newest_first(run)
-- A run without a date may be newer than all that have one. No plan walks the index of every DAG's runs, because
-- (run_after, id) is compared as a row.
({run}.run_after, {run}.id) DESC

-- fragment: is_older_than(run, id)
({run}.run_after, {run}.id) < (
    SELECT given.run_after, given.id FROM dag_run AS given WHERE given.id = {id} AND given.dag_id = $1::text
)

-- fragment: log_date(run)
coalesce({iso_date({run}.logical_date)}, {iso_date({run}.run_after)})

-- fragment: is_active
NOT dag.is_stale

-- fragment: is_broken
((dag.relative_fileloc, dag.bundle_name) IN (SELECT filename, bundle_name FROM import_error)
    OR (dag.fileloc, dag.bundle_name) IN (SELECT filename, bundle_name FROM import_error))

-- name: serialized_dag
-- The JSON of a serialized DAG, or its zlib form; neither if it has more than $2 bytes.
SELECT {version_of(dag.bundle_version)} AS version, dag.bundle_version IS NOT NULL AS has_bundle_version,
    {document}
FROM dag_version JOIN serialized_dag ON serialized_dag.dag_version_id = dag_version.id
LEFT JOIN dag ON dag.dag_id = dag_version.dag_id
WHERE dag_version.dag_id = $1
ORDER BY dag_version.version_number DESC LIMIT 1

-- fragment: files_of_dags
SELECT dag.dag_id, dag.bundle_name, dag.relative_fileloc AS filename FROM dag
UNION
SELECT dag.dag_id, dag.bundle_name, dag.fileloc FROM dag

-- name: dag_code
SELECT left(dag_code.source_code, $2)
FROM dag_version JOIN dag_code ON dag_code.dag_version_id = dag_version.id
WHERE dag_version.dag_id = $1
ORDER BY dag_version.version_number DESC LIMIT 1

-- fragment: run_carrier
jsonb_build_object('__type', 'dict', '__var', jsonb_strip_nulls(jsonb_build_object(
    -- Since 3.3.
    'tracestate', 'airflow/task_span_detail_level='  -- if task_instance.retry_reason
        || substring(conf ->> 'airflow/task_span_detail_level' FROM '^0*([1-9]\d*)$'),  -- if task_instance.retry_reason
    -- The parent of the run's spans, if the Airflow traces: a W3C traceparent with random ids.
    'traceparent', '00-' || replace(gen_random_uuid()::text, '-', '')  -- if dag_run.created_at
        || '-' || left(replace(gen_random_uuid()::text, '-', ''), 16) || '-01'  -- if dag_run.created_at
)))

-- name: trigger
-- A run with a bundle_version must get its task instances in the same transaction: the scheduler makes none for it, and
-- would call it a success without running a task.
WITH requested AS (
    SELECT * FROM unnest(
        ARRAY(SELECT json_array_elements_text($1)),
        ARRAY(SELECT json_array_elements_text($2)),
        ARRAY(SELECT json_array_elements_text($3)::timestamptz),
        ARRAY(SELECT json_array_elements_text($4)::jsonb),
        ARRAY(SELECT json_array_elements_text($5)),
        ARRAY(SELECT json_array_elements_text($6)),
        ARRAY(SELECT json_array_elements_text($7)::timestamptz),
        ARRAY(SELECT json_array_elements_text($8)::timestamptz),
        ARRAY(SELECT json_array_elements_text($9)),
        ARRAY(SELECT json_array_elements_text($10)::boolean)
    ) WITH ORDINALITY AS r (
        dag_id, run_id, logical_date, conf, root_dag_id, version, data_interval_start, data_interval_end, user_name,
        pinned, n)
),
{checked_runs($11)}
, created AS (
    INSERT INTO dag_run (
        created_at,  -- if dag_run.created_at
        triggering_user_name,  -- if dag_run.triggering_user_name
        id, dag_id, run_id, logical_date, run_after, conf, state, run_type, triggered_by, queued_at, updated_at,
        data_interval_start, data_interval_end, log_template_id, created_dag_version_id, clear_number, span_status,
        bundle_version, context_carrier)
    SELECT
        now(),  -- if dag_run.created_at
        left(user_name, 512),  -- if dag_run.triggering_user_name
        id, dag_id, run_id, logical_date, greatest(now(), logical_date), conf, 'queued', 'manual', 'REST_API', now(), now(),
        data_interval_start, data_interval_end, (SELECT max(id) FROM log_template), dag_version_id, 0, 'not_started',
        CASE WHEN pinned THEN bundle_version END,
        {run_carrier}
    FROM numbered
    WHERE id IS NOT NULL
    ORDER BY dag_id, logical_date, run_id, n
    ON CONFLICT DO NOTHING
    RETURNING id
)
{made_runs}

-- fragment: task_carrier(run)
jsonb_set({run}.context_carrier, '{__var,traceparent}', to_jsonb(overlay(  -- if dag_run.created_at
    {run}.context_carrier #>> '{__var,traceparent}'  -- if dag_run.created_at
    PLACING left(replace(gen_random_uuid()::text, '-', ''), 16) FROM 37 FOR 16))),  -- if dag_run.created_at

-- name: add_task_instances
-- only if dag_run.triggering_user_name
-- The task instances of the run $1, from the JSON array $2, and how many were added: none if the DAG's newest serialized row
-- is no longer the version $3. The task's span has the run's trace and an id of its own.
WITH run AS (
    SELECT
        dag_run.context_carrier,  -- if dag_run.created_at
        dag_run.dag_id, dag_run.run_id, dag_run.created_dag_version_id
    FROM dag_run WHERE dag_run.id = $1 AND $3 = (
        SELECT {version_of(dag.bundle_version)}
        FROM dag_version JOIN serialized_dag ON serialized_dag.dag_version_id = dag_version.id
        LEFT JOIN dag ON dag.dag_id = dag_version.dag_id
        WHERE dag_version.dag_id = dag_run.dag_id
        ORDER BY dag_version.version_number DESC LIMIT 1
    )
), added AS (
    INSERT INTO task_instance (
        context_carrier,  -- if dag_run.created_at
        id, dag_id, run_id, task_id, map_index, try_number, max_tries, hostname, unixname, pool, pool_slots, queue,
        priority_weight, operator, custom_operator_name, executor, executor_config, updated_at, span_status,
        task_display_name, dag_version_id)
    SELECT
        {task_carrier(run)}
        i.id, run.dag_id, run.run_id, i.task_id, i.map_index, 0, i.max_tries, '', $4::text, i.pool, i.pool_slots, i.queue,
        i.priority_weight, i.operator, i.custom_operator_name, i.executor, $5::bytea, now(), 'not_started',
        i.task_display_name, run.created_dag_version_id
    FROM run CROSS JOIN json_to_recordset($2) AS i (
        id uuid, task_id text, map_index int, max_tries int, pool text, pool_slots int, queue text, priority_weight int,
        operator text, custom_operator_name text, executor text, task_display_name text)
    RETURNING 1
)
SELECT count(*) FROM added

-- name: deadline_alerts
-- only if deadline_alert.reference
-- The alerts of the DAG of the run $1; values longer than $2 bytes are not read.
SELECT deadline_alert.id::text, reference::text AS reference, "interval"::text AS seconds,
    CASE WHEN octet_length(callback_def::text) <= $2 THEN callback_def::text END AS callback
FROM dag_run
JOIN serialized_dag ON serialized_dag.dag_version_id = dag_run.created_dag_version_id
JOIN deadline_alert ON deadline_alert.serialized_dag_id = serialized_dag.id
WHERE dag_run.id = $1 AND octet_length(reference::text) + octet_length("interval"::text) <= $2
ORDER BY deadline_alert.id LIMIT 100

-- name: add_deadlines_of_3_1
-- only if deadline.callback_state
-- The deadlines of the run $1 in the JSON array $2.
INSERT INTO deadline (id, dagrun_id, deadline_time, callback)
SELECT id, $1::int, coalesce(deadline_time, now() + seconds * interval '1 second'), callback
FROM json_to_recordset($2) AS asked (id uuid, deadline_time timestamptz, seconds float8, callback json)

-- name: add_deadlines
-- only if deadline.callback_id
-- The deadlines of the run $1 in the JSON array $2, with their callbacks. If an average is of fewer runs than `min_runs`,
-- there is no deadline.
WITH asked AS (
    SELECT * FROM json_to_recordset($2) AS a (
        id uuid, callback_id uuid, alert_id uuid, deadline_time timestamptz, seconds float8, max_runs int, min_runs int,
        type text, data jsonb)
), run AS (
    SELECT dag_run.dag_id, dag.bundle_name FROM dag_run JOIN dag ON dag.dag_id = dag_run.dag_id WHERE dag_run.id = $1
), timed AS (
    SELECT asked.*, run.bundle_name, coalesce(asked.deadline_time, now() + (asked.seconds + CASE
        WHEN asked.max_runs IS NULL THEN 0
        -- An average above three hundred years is not plausible.
        WHEN average.runs >= asked.min_runs AND average.seconds < 1e10 THEN average.seconds
    END) * interval '1 second') AS moment
    FROM run CROSS JOIN asked
    CROSS JOIN LATERAL (
        SELECT count(*) AS runs, avg(seconds)::float8 AS seconds FROM (
            SELECT extract(epoch FROM past.end_date - past.start_date) AS seconds FROM dag_run AS past
            WHERE past.dag_id = run.dag_id AND past.start_date IS NOT NULL AND past.end_date IS NOT NULL
                -- Since 3.3.
                AND past.state = 'success'  -- if task_instance.retry_reason
            ORDER BY past.logical_date DESC LIMIT coalesce(asked.max_runs, 0)
        ) AS past
    ) AS average
), called AS (
    INSERT INTO callback (
        bundle_name,  -- if task_instance.retry_reason
        id, type, fetch_method, data, state, priority_weight, created_at)
    SELECT
        bundle_name,  -- if task_instance.retry_reason
        callback_id, type, 'import_path', data, 'scheduled', 1, now()
    FROM timed WHERE moment IS NOT NULL
)
INSERT INTO deadline (
    id, created_at, last_updated_at, dagrun_id, deadline_time, missed, callback_id, deadline_alert_id)
SELECT id, now(), now(), $1, moment, false, callback_id, alert_id FROM timed WHERE moment IS NOT NULL

-- fragment: newest_runs(shown)
-- The newest run of each DAG by run_after: a run without a date may be newer than all that have one. No index has a DAG's
-- runs in that order. The latest runs of all DAGs contain the newest one of each DAG that ran lately; their cost does not
-- grow with the runs. For other DAGs all runs are read if they are few; if they are many, it costs less to look further
-- back first. (run_after, id) is compared as a row, so that no plan walks the index of every DAG's runs for an old one.
, recent AS (
    SELECT id, dag_id, run_id, run_after, logical_date, start_date, end_date, state FROM dag_run ORDER BY run_after DESC, id DESC LIMIT 5000
), recent_by_dag AS (
    SELECT DISTINCT ON (dag_id) * FROM recent ORDER BY dag_id, run_after DESC, id DESC
), idle AS (
    SELECT dag_id FROM dag_ids WHERE dag_id IS NOT NULL AND dag_id NOT IN (SELECT dag_id FROM recent_by_dag)
), idle_runs AS (
    SELECT count(*) AS number FROM (
        SELECT FROM idle CROSS JOIN LATERAL (
            SELECT FROM dag_run WHERE dag_run.dag_id = idle.dag_id LIMIT 50000
        ) AS one LIMIT 50000
    ) AS counted
), earlier AS (
    SELECT id, dag_id, run_id, run_after, logical_date, start_date, end_date, state FROM dag_run
    WHERE (SELECT number FROM idle_runs) >= 50000 ORDER BY run_after DESC, id DESC LIMIT 50000
), latest AS (
    SELECT * FROM recent_by_dag
    UNION ALL
    (SELECT DISTINCT ON (dag_id) * FROM earlier WHERE dag_id IN (SELECT dag_id FROM idle)
        ORDER BY dag_id, run_after DESC, id DESC)
)
SELECT {list_of_latest}
FROM dag_ids
LEFT JOIN latest AS r ON r.dag_id = dag_ids.dag_id
CROSS JOIN LATERAL (
    SELECT r.id, r.dag_id, r.run_id, r.logical_date, r.start_date, r.end_date, r.state WHERE r.id IS NOT NULL
    UNION ALL
    (SELECT id, dag_id, run_id, logical_date, start_date, end_date, state FROM dag_run
        WHERE r.id IS NULL AND dag_run.dag_id = dag_ids.dag_id ORDER BY (run_after, id) DESC LIMIT 1)
) AS newest
CROSS JOIN LATERAL (
    {{shown}}
) AS run

-- name: lock_dag
-- The DAG that is to be deleted; this Airflow has no sub-DAGs.
SELECT false AS is_subdag, ARRAY[d.fileloc, d.relative_fileloc]::text[] AS filenames, d.bundle_name,
    ARRAY[]::text[] AS subdag_ids
FROM dag AS d WHERE d.dag_id = $1 FOR UPDATE

-- fragment: is_of_another_version
(r.bundle_version IS NOT NULL AND r.created_dag_version_id IS DISTINCT FROM (
    SELECT dag_version.id FROM dag_version WHERE dag_version.dag_id = r.dag_id
    ORDER BY dag_version.version_number DESC LIMIT 1
))

-- fragment: lacks_version
r.created_dag_version_id IS NULL  -- if task_instance.retry_reason
false  -- unless task_instance.retry_reason

-- name: steering.asks_people
-- only if hitl_detail.ti_id
-- A task that waits, or waited, for somebody's answer.
SELECT ti.task_id FROM dag_run AS r JOIN task_instance AS ti ON {same_run(ti, r)}
{given_instances}
JOIN hitl_detail ON hitl_detail.ti_id = ti.id
WHERE r.id = $1 ORDER BY 1 LIMIT 1

-- name: steering.drop_reschedules
DELETE FROM task_reschedule AS past
USING dag_run AS r, unnest($2::text[], $3::int[]) AS given (task_id, map_index), task_instance AS ti
WHERE r.id = $1 AND {same_run(ti, r)} AND ti.task_id = given.task_id AND ti.map_index = given.map_index
    AND past.ti_id = ti.id

-- name: steering.renew_ids
-- Every try has an id of its own, $4 in the order of the instances: what runs under the old one is ended.
UPDATE task_instance AS ti SET id = given.id, updated_at = now()
FROM dag_run AS r, unnest($2::text[], $3::int[], $4::uuid[]) AS given (task_id, map_index, id)
WHERE r.id = $1 AND {same_run(ti, r)} AND ti.task_id = given.task_id AND ti.map_index = given.map_index

-- name: steering.requeue_run
UPDATE dag_run SET
    bundle_version = CASE WHEN $2 THEN bundle_version ELSE coalesce(  -- unless dag_run.triggering_user_name
        (SELECT dag.bundle_version FROM dag WHERE dag.dag_id = dag_run.dag_id), bundle_version) END,  -- unless dag_run.triggering_user_name
    updated_at = now(), queued_at = now(), clear_number = coalesce(clear_number, 0) + 1,
    last_scheduling_decision = CASE WHEN state NOT IN ('success', 'failed') THEN last_scheduling_decision END,
    start_date = CASE WHEN state NOT IN ('success', 'failed') THEN start_date END,
    end_date = CASE WHEN state NOT IN ('success', 'failed') THEN end_date END,
    state = CASE WHEN state IN ('success', 'failed') THEN 'queued' ELSE state END
WHERE id = $1 AND $2::boolean IS NOT NULL
    AND state IN ('success', 'failed')  -- unless dag_run.created_at
RETURNING state

-- name: steering.trace_run
-- only if dag_run.created_at
UPDATE dag_run SET updated_at = now(), context_carrier =
    {run_carrier}
WHERE id = $1

-- name: steering.move_deadlines
-- only if deadline_alert.reference
-- Those that count from when the run was queued.
UPDATE deadline SET deadline_time = now() + alert."interval"::text::float8 * interval '1 second', last_updated_at = now()
FROM deadline_alert AS alert
WHERE alert.id = deadline.deadline_alert_id AND deadline.dagrun_id = $1 AND NOT deadline.missed
    AND alert.reference ->> 'reference_type' = 'DagRunQueuedAtDeadline'
    AND alert."interval"::text ~ '^\d+([.]\d+)?$'

-- name: steering.trace_tries
-- only if dag_run.created_at
UPDATE task_instance AS ti SET
    context_carrier =
        {task_carrier(r)}
    updated_at = now()
FROM dag_run AS r, unnest($2::text[], $3::int[]) AS given (task_id, map_index)
WHERE r.id = $1 AND {same_run(ti, r)} AND ti.task_id = given.task_id AND ti.map_index = given.map_index

-- name: steering.pin_instances
-- only if task_instance.retry_reason
-- No scheduler starts an instance without a version.
UPDATE task_instance AS ti SET dag_version_id = r.created_dag_version_id, updated_at = now()
FROM dag_run AS r
WHERE r.id = $1 AND {same_run(ti, r)} AND ti.dag_version_id IS NULL AND coalesce(ti.state, '') NOT IN ({last_states})
