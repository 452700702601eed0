-- What Airflow 2.x and 3.x have in common, unlike 1.10. Lines with columns that only some minor releases have are
-- conditional.

-- name: set_pool
INSERT INTO slot_pool (pool, slots, description, include_deferred) VALUES ($1, $2, $3, false)
ON CONFLICT (pool) DO UPDATE SET slots = excluded.slots, description = excluded.description
RETURNING id, pool, slots, description

-- name: count_dags
SELECT count(*) FROM dag
WHERE NOT coalesce(is_subdag, false)  -- if dag.is_subdag

-- name: find_task_instances
-- Each task instance with its run's state and what the answer needs to know about the DAG. For a mapped task without a
-- map_index it is the instance that is furthest from its end, so that it is finished only when all of them are. Dates and
-- `texts` (the answer from `hostname` on) are written as Python's str shows them; a float and a pickle are left to Python.
SELECT d.dag_id IS NOT NULL AS known, d.root_dag_id, s.version, true AS any_serialized,
    r.id AS run, r.state AS run_state, ti.duration,
    CASE WHEN octet_length(ti.executor_config) > 262144 THEN '' ELSE ti.executor_config END AS executor_config,
    replace(to_char(ti.end_date AT TIME ZONE 'UTC', 'YYYY-MM-DD HH24:MI:SS.US'), '.000000', '')
        || '+00:00' AS end_date,
    replace(to_char(requested.execution_date AT TIME ZONE 'UTC', 'YYYY-MM-DD HH24:MI:SS.US'), '.000000', '')
        || '+00:00' AS execution_date,
    CASE WHEN ti.task_id IS NOT NULL THEN json_strip_nulls(json_build_object(
        'hostname', coalesce(ti.hostname, 'None'),
        'job_id', coalesce(ti.job_id::text, 'None'),  -- if task_instance.job_id
        'job_id', 'None',  -- unless task_instance.job_id
        'map_index', coalesce(ti.map_index::text, 'None'),
        'mapped_instances', nullif(mapped.instances, 0)::text,
        'max_tries', coalesce(ti.max_tries::text, 'None'),
        'operator', coalesce(ti.operator, 'None'),
        'pid', coalesce(ti.pid::text, 'None'),
        'pool', coalesce(ti.pool, 'None'),
        'pool_slots', coalesce(ti.pool_slots::text, 'None'),
        'priority_weight', coalesce(ti.priority_weight::text, 'None'),
        'queue', coalesce(ti.queue, 'None'),
        'queued_dttm',
            coalesce(replace(to_char(ti.queued_dttm AT TIME ZONE 'UTC', 'YYYY-MM-DD HH24:MI:SS.US'), '.000000', '')
                || '+00:00', 'None'),
        'run_id', coalesce(r.run_id, 'None'),
        'start_date',
            coalesce(replace(to_char(ti.start_date AT TIME ZONE 'UTC', 'YYYY-MM-DD HH24:MI:SS.US'), '.000000', '')
                || '+00:00', 'None'),
        'state', coalesce(ti.state, 'None'),
        'task_id', requested.task_id,
        'test_mode', 'False',
        'try_number', coalesce(ti.try_number::text, 'None'),
        'unixname', coalesce(ti.unixname, 'None')
    ))::text END AS texts
FROM unnest(
    ARRAY(SELECT json_array_elements_text($1)),
    ARRAY(SELECT json_array_elements_text($2)::timestamptz),
    ARRAY(SELECT json_array_elements_text($3)),
    ARRAY(SELECT json_array_elements_text($4)::integer)
) WITH ORDINALITY AS requested (dag_id, execution_date, task_id, map_index, n)
LEFT JOIN LATERAL (
    SELECT
        dag.bundle_version,  -- if dag.bundle_version
        dag.dag_id,
        coalesce(nullif(dag.root_dag_id, ''), dag.dag_id) AS root_dag_id  -- if dag.root_dag_id
        dag.dag_id AS root_dag_id  -- unless dag.root_dag_id
    FROM dag WHERE dag.dag_id = requested.dag_id
) AS d ON true
LEFT JOIN LATERAL (
    SELECT serialized_dag.xmin::text
        || CASE WHEN d.bundle_version IS NULL THEN '' ELSE ' of a bundle' END  -- if dag.bundle_version
        AS version
    FROM serialized_dag WHERE serialized_dag.dag_id = d.root_dag_id  -- unless serialized_dag.dag_version_id
    FROM dag_version JOIN serialized_dag ON serialized_dag.dag_version_id = dag_version.id  -- if serialized_dag.dag_version_id
    WHERE dag_version.dag_id = d.root_dag_id  -- if serialized_dag.dag_version_id
    ORDER BY dag_version.version_number DESC LIMIT 1  -- if serialized_dag.dag_version_id
) AS s ON true
LEFT JOIN LATERAL (
    SELECT dag_run.id, dag_run.run_id, dag_run.state FROM dag_run
    WHERE dag_run.dag_id = requested.dag_id
        AND dag_run.execution_date = requested.execution_date  -- if dag_run.execution_date
        AND dag_run.logical_date = requested.execution_date  -- if dag_run.logical_date
) AS r ON true
LEFT JOIN LATERAL (
    SELECT
        job_id,  -- if task_instance.job_id
        task_id, map_index, duration, executor_config, end_date, hostname, max_tries, operator, pid, pool, pool_slots,
        priority_weight, queue, queued_dttm, start_date, state, try_number, unixname
    FROM task_instance
    WHERE task_instance.dag_id = requested.dag_id AND task_instance.task_id = requested.task_id
        AND task_instance.run_id = r.run_id
        AND (requested.map_index IS NULL OR task_instance.map_index = requested.map_index)
    ORDER BY array_position(ARRAY['running', 'restarting', 'deferred', 'awaiting_input', 'queued', 'up_for_retry',
        'up_for_reschedule', 'scheduled', '', 'failed', 'upstream_failed', 'success', 'skipped', 'removed'],
        coalesce(task_instance.state, '')::text), task_instance.map_index
    LIMIT 1
) AS ti ON true
LEFT JOIN LATERAL (
    SELECT count(*) AS instances FROM task_instance
    WHERE requested.map_index IS NULL AND ti.map_index >= 0
        AND task_instance.dag_id = requested.dag_id AND task_instance.task_id = requested.task_id
        AND task_instance.run_id = r.run_id
) AS mapped ON true
ORDER BY requested.n

-- name: waiting_facts
-- Everything that a task of a run may wait for: the DAG, the run and those before it, the pool, the upstream tasks, the
-- limits. Each is found with an index, and of many rows only 10,000 are read. Of a mapped task it is the first instance that
-- has not ended.
SELECT d.is_paused, r.state AS run_state, r.state <> 'queued' AS begun,
    r.execution_date > now() AS is_early,  -- if dag_run.execution_date
    r.run_after > now() AS is_early,  -- if dag_run.run_after
    to_char(r.execution_date AT TIME ZONE 'UTC', 'YYYY-MM-DD HH24:MI:SS') || ' UTC' AS starts,  -- if dag_run.execution_date
    to_char(r.run_after AT TIME ZONE 'UTC', 'YYYY-MM-DD HH24:MI:SS') || ' UTC' AS starts,  -- if dag_run.run_after
    d.max_active_runs, d.max_active_tasks,
    ti.state, coalesce(ti.pool, $4::text) AS pool, ti.pool_slots AS wanted_slots, p.slots,
    (
        SELECT count(*) FROM (
            SELECT FROM dag_run AS other WHERE other.dag_id = r.dag_id AND other.state = 'running' LIMIT 10000
        ) AS other
    ) AS active_runs,
    (
        SELECT coalesce(sum(one.pool_slots), 0) FROM (
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
    0 AS tasks,
    ARRAY (
        SELECT DISTINCT above.task_id FROM unnest($5::text[]) AS wanted (task_id)
        JOIN task_instance AS above ON above.task_id = wanted.task_id AND above.dag_id = r.dag_id
            AND above.run_id = r.run_id
        WHERE coalesce(above.state, '') NOT IN ('success', 'failed', 'skipped', 'upstream_failed', 'removed')
        ORDER BY 1 LIMIT 6
    ) AS unfinished,
    before.state AS run_before,
    to_char(before.moment AT TIME ZONE 'UTC', 'YYYY-MM-DD HH24:MI:SS') || ' UTC' AS before,
    (
        SELECT one.state FROM task_instance AS one
        WHERE one.dag_id = r.dag_id AND one.task_id = $3::text AND one.run_id = before.run_id
        ORDER BY one.map_index LIMIT 1
    ) AS state_before
FROM dag AS d
JOIN dag_run AS r ON r.dag_id = d.dag_id
    AND r.execution_date = $2::timestamptz  -- if dag_run.execution_date
    AND r.logical_date = $2::timestamptz  -- if dag_run.logical_date
LEFT JOIN LATERAL (
    SELECT one.state, one.pool, one.pool_slots FROM task_instance AS one
    WHERE one.dag_id = r.dag_id AND one.run_id = r.run_id AND one.task_id = $3::text
    ORDER BY coalesce(one.state, '') IN ('success', 'failed', 'skipped', 'upstream_failed', 'removed'), one.map_index
    LIMIT 1
) AS ti ON true
LEFT JOIN slot_pool AS p ON p.pool = coalesce(ti.pool, $4::text)
LEFT JOIN LATERAL (
    SELECT earlier.state, earlier.run_id,
        earlier.execution_date AS moment  -- if dag_run.execution_date
        earlier.logical_date AS moment  -- if dag_run.logical_date
    FROM dag_run AS earlier
    WHERE earlier.dag_id = r.dag_id
        AND earlier.execution_date < r.execution_date  -- if dag_run.execution_date
        AND earlier.logical_date < r.logical_date  -- if dag_run.logical_date
    ORDER BY
        earlier.execution_date  -- if dag_run.execution_date
        earlier.logical_date  -- if dag_run.logical_date
        DESC LIMIT 1
) AS before ON true
WHERE d.dag_id = $1::text

-- name: unfinished_runs
-- How many runs are in each state that is not final, at most 10,000 for each state; each has an index.
SELECT 'queued' AS state, count(*) AS number
FROM (SELECT FROM dag_run WHERE state = 'queued' LIMIT 10000) AS found
UNION ALL
SELECT 'running', count(*) FROM (SELECT FROM dag_run WHERE state = 'running' LIMIT 10000) AS found

-- name: running_instance
-- Airflow 2 and 3 do not delete a DAG while one of its tasks is running.
SELECT task_id FROM task_instance WHERE dag_id = ANY ($1::text[]) AND state = 'running' LIMIT 1

-- What deleting a DAG deletes: each table that exists, in this order, children first; every row is counted. These are the
-- tables that Airflow's own delete names, and those that its foreign keys cascade to.

-- name: delete_dag.task_reschedule
DELETE FROM task_reschedule WHERE dag_id = ANY ($1::text[])  -- if task_reschedule.dag_id
DELETE FROM task_reschedule USING task_instance AS ti WHERE ti.id = ti_id AND ti.dag_id = ANY ($1::text[])  -- unless task_reschedule.dag_id

-- name: delete_dag.task_instance_note
DELETE FROM task_instance_note WHERE dag_id = ANY ($1::text[])  -- if task_instance_note.dag_id
DELETE FROM task_instance_note USING task_instance AS ti WHERE ti.id = ti_id AND ti.dag_id = ANY ($1::text[])  -- unless task_instance_note.dag_id

-- name: delete_dag.hitl_detail_history
DELETE FROM hitl_detail_history USING task_instance_history AS tih
WHERE tih.task_instance_id = ti_history_id AND tih.dag_id = ANY ($1::text[])

-- name: delete_dag.hitl_detail
DELETE FROM hitl_detail USING task_instance AS ti WHERE ti.id = ti_id AND ti.dag_id = ANY ($1::text[])

-- name: delete_dag.rendered_task_instance_fields
DELETE FROM rendered_task_instance_fields WHERE dag_id = ANY ($1::text[])

-- name: delete_dag.sla_miss
DELETE FROM sla_miss WHERE dag_id = ANY ($1::text[])

-- name: delete_dag.task_fail
DELETE FROM task_fail WHERE dag_id = ANY ($1::text[])

-- name: delete_dag.task_map
DELETE FROM task_map WHERE dag_id = ANY ($1::text[])

-- name: delete_dag.xcom
DELETE FROM xcom WHERE dag_id = ANY ($1::text[])

-- name: delete_dag.task_state_store
DELETE FROM task_state_store WHERE dag_id = ANY ($1::text[])

-- name: delete_dag.task_instance_history
DELETE FROM task_instance_history WHERE dag_id = ANY ($1::text[])

-- name: delete_dag.task_instance
DELETE FROM task_instance WHERE dag_id = ANY ($1::text[])

-- name: delete_dag.dag_run_note
DELETE FROM dag_run_note USING dag_run WHERE dag_run.id = dag_run_id AND dag_run.dag_id = ANY ($1::text[])

-- name: delete_dag.dagrun_dataset_event
DELETE FROM dagrun_dataset_event USING dag_run WHERE dag_run.id = dag_run_id AND dag_run.dag_id = ANY ($1::text[])

-- name: delete_dag.dagrun_asset_event
DELETE FROM dagrun_asset_event USING dag_run WHERE dag_run.id = dag_run_id AND dag_run.dag_id = ANY ($1::text[])

-- name: delete_dag.asset_partition_dag_run
DELETE FROM asset_partition_dag_run USING dag_run
WHERE dag_run.id = created_dag_run_id AND dag_run.dag_id = ANY ($1::text[])

-- name: delete_dag.deadline
DELETE FROM deadline USING dag_run WHERE dag_run.id = dagrun_id AND dag_run.dag_id = ANY ($1::text[])

-- name: delete_dag.backfill_dag_run
DELETE FROM backfill_dag_run USING backfill WHERE backfill.id = backfill_id AND backfill.dag_id = ANY ($1::text[])

-- name: delete_dag.dag_run
DELETE FROM dag_run WHERE dag_id = ANY ($1::text[])

-- name: delete_dag.backfill
DELETE FROM backfill WHERE dag_id = ANY ($1::text[])

-- name: delete_dag.job
DELETE FROM job WHERE dag_id = ANY ($1::text[])

-- name: delete_dag.dag_tag
DELETE FROM dag_tag WHERE dag_id = ANY ($1::text[])

-- name: delete_dag.dag_owner_attributes
DELETE FROM dag_owner_attributes WHERE dag_id = ANY ($1::text[])

-- name: delete_dag.dag_warning
DELETE FROM dag_warning WHERE dag_id = ANY ($1::text[])

-- name: delete_dag.dag_favorite
DELETE FROM dag_favorite WHERE dag_id = ANY ($1::text[])

-- name: delete_dag.dataset_dag_run_queue
DELETE FROM dataset_dag_run_queue WHERE target_dag_id = ANY ($1::text[])

-- name: delete_dag.asset_dag_run_queue
DELETE FROM asset_dag_run_queue WHERE target_dag_id = ANY ($1::text[])

-- name: delete_dag.dag_schedule_dataset_reference
DELETE FROM dag_schedule_dataset_reference WHERE dag_id = ANY ($1::text[])

-- name: delete_dag.dag_schedule_dataset_alias_reference
DELETE FROM dag_schedule_dataset_alias_reference WHERE dag_id = ANY ($1::text[])

-- name: delete_dag.task_outlet_dataset_reference
DELETE FROM task_outlet_dataset_reference WHERE dag_id = ANY ($1::text[])

-- name: delete_dag.dag_schedule_asset_reference
DELETE FROM dag_schedule_asset_reference WHERE dag_id = ANY ($1::text[])

-- name: delete_dag.dag_schedule_asset_alias_reference
DELETE FROM dag_schedule_asset_alias_reference WHERE dag_id = ANY ($1::text[])

-- name: delete_dag.dag_schedule_asset_name_reference
DELETE FROM dag_schedule_asset_name_reference WHERE dag_id = ANY ($1::text[])

-- name: delete_dag.dag_schedule_asset_uri_reference
DELETE FROM dag_schedule_asset_uri_reference WHERE dag_id = ANY ($1::text[])

-- name: delete_dag.task_inlet_asset_reference
DELETE FROM task_inlet_asset_reference WHERE dag_id = ANY ($1::text[])

-- name: delete_dag.task_outlet_asset_reference
DELETE FROM task_outlet_asset_reference WHERE dag_id = ANY ($1::text[])

-- name: delete_dag.deadline_alert
DELETE FROM deadline_alert USING serialized_dag
WHERE serialized_dag.id = serialized_dag_id AND serialized_dag.dag_id = ANY ($1::text[])

-- name: delete_dag.serialized_dag
DELETE FROM serialized_dag WHERE dag_id = ANY ($1::text[])

-- name: delete_dag.dag_code
DELETE FROM dag_code WHERE dag_id = ANY ($1::text[])  -- if dag_code.dag_id

-- name: delete_dag.dag_version
DELETE FROM dag_version WHERE dag_id = ANY ($1::text[])

-- name: delete_dag.dag
DELETE FROM dag WHERE dag_id = ANY ($1::text[])
