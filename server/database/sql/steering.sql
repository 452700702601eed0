-- What steering does to the rows of a run, as Airflow's own commands do it. Every transaction locks the DAG's row first, then the
-- run, then its task instances in one order: schedulers that look at the run wait, or leave it out.
--
-- $1 is the run's id unless a statement says otherwise; $2 and $3 are the task ids and map indexes of instances.

-- fragment: lock_of_dag
-- Our own deleting of the DAG waits; Airflow's scheduler does not.
FOR KEY SHARE

-- fragment: is_of_another_version
-- Whether the tasks of the run are those of another version of the DAG than the newest.
false

-- fragment: lacks_version
-- Whether only Airflow can tell which version of the DAG the run goes on with.
false

-- name: steering.lock_dag
-- The version of the serialized row of the DAG $1, and whether it is a sub-DAG or has some.
SELECT s.version, d.is_family
FROM (
    SELECT
        coalesce(dag.is_subdag, false) OR EXISTS (  -- if dag.is_subdag
            SELECT FROM dag AS sub WHERE sub.is_subdag AND sub.root_dag_id = dag.dag_id  -- if dag.is_subdag
        ) AS is_family,  -- if dag.is_subdag
        false AS is_family,  -- unless dag.is_subdag
        dag.bundle_version,  -- if dag.bundle_version
        {root_dag_id} AS root_dag_id
    FROM dag WHERE dag.dag_id = $1
    {lock_of_dag}
) AS d
LEFT JOIN LATERAL (
    {serialized_version(d.root_dag_id, d.bundle_version)}
) AS s ON true

-- fragment: lock_run_of(column, type)
SELECT r.id, r.run_id, r.state, {iso_date(r.{run_date})} AS execution_date,
    {is_of_another_version}
    AS is_of_another_version,
    {lacks_version}
    AS lacks_version
FROM dag_run AS r WHERE r.dag_id = $1 AND r.{column} = $2::{type}
FOR UPDATE

-- name: steering.lock_run
{lock_run_of({run_date}, timestamptz)}

-- name: steering.lock_run_by_id
{lock_run_of(run_id, text)}

-- fragment: state_if_failed
-- What a task instance becomes if its run is set to failed; NULL where it stays as it is.
CASE
    WHEN ti.state IN ('running', 'deferred', 'up_for_reschedule', 'awaiting_input') THEN 'failed'
    WHEN ti.state IS NULL THEN 'skipped'  -- if task_instance_history.try_number
    WHEN ti.state NOT IN ({last_states}) THEN 'skipped'
END

-- fragment: state_if_success
-- Since Airflow 3.3 only what is under way becomes a success.
CASE
    WHEN ti.state IN ({last_states}) THEN NULL  -- if task_instance.retry_reason
    WHEN coalesce(ti.state, '') NOT IN ('running', 'deferred', 'up_for_reschedule', 'awaiting_input') THEN 'skipped'  -- if task_instance.retry_reason
    WHEN ti.state IS DISTINCT FROM 'success' THEN 'success'
END

-- name: steering.lock_instances
-- At most $2 of them.
SELECT ti.task_id, ti.state,
    coalesce(ti.operator, '') = 'ExternalTaskMarker' AS marks_others,  -- unless dag_run.triggering_user_name
    false AS marks_others,  -- if dag_run.triggering_user_name
    ti.map_index,  -- if task_instance.map_index
    -1 AS map_index,  -- unless task_instance.map_index
    {state_if_failed}
    AS if_failed,
    {state_if_success}
    AS if_success
FROM dag_run AS r JOIN task_instance AS ti ON {same_run(ti, r)}
WHERE r.id = $1
ORDER BY
    ti.map_index,  -- if task_instance.map_index
    ti.task_id
LIMIT $2
FOR UPDATE OF ti

-- fragment: seconds_between(start, end)
-- NULL counts as now.
CASE WHEN isfinite(coalesce({start}, now())) AND isfinite(coalesce({end}, now()))
    THEN extract(epoch FROM coalesce({end}, now()) - coalesce({start}, now())) END

-- fragment: changed_columns
{state_with_dates}

-- fragment: state_with_dates
start_date = coalesce(ti.start_date, now()),
end_date = coalesce(ti.end_date, now()),
duration = {seconds_between(ti.start_date, ti.end_date)},
updated_at = now(),  -- if task_instance.updated_at
state = new.state

-- fragment: given_instances
JOIN unnest($2::text[], $3::int[]) AS given (task_id, map_index) ON given.task_id = ti.task_id
    AND given.map_index = ti.map_index  -- if task_instance.map_index

-- name: steering.set_states
-- $4 are the new states.
UPDATE task_instance AS ti SET
    {changed_columns}
FROM dag_run AS r, unnest($2::text[], $3::int[], $4::text[]) AS new (task_id, map_index, state)
WHERE r.id = $1 AND {same_run(ti, r)} AND ti.task_id = new.task_id
    AND ti.map_index = new.map_index  -- if task_instance.map_index

-- name: steering.end_run
UPDATE dag_run SET
    updated_at = now(),  -- if dag_run.updated_at
    end_date = CASE WHEN state IS NULL OR state IN ('queued', 'running') THEN now() ELSE end_date END,
    state = $2::text
WHERE id = $1 AND state IS DISTINCT FROM $2::text

-- fragment: tries_not_kept
-- Instances whose last try is not in the history yet.
dag_run AS r JOIN task_instance AS ti ON {same_run(ti, r)}
JOIN unnest($2::text[], $3::int[]) AS given (task_id, map_index)
    ON given.task_id = ti.task_id AND given.map_index = ti.map_index
WHERE r.id = $1 AND NOT EXISTS (
    SELECT FROM task_instance_history AS past
    WHERE past.dag_id = ti.dag_id AND past.run_id = ti.run_id AND past.task_id = ti.task_id
        AND past.map_index = ti.map_index AND past.try_number = coalesce(ti.try_number, 0)
)

-- name: steering.end_tries
-- only if task_instance_history.try_number
-- In the history a try has ended.
WITH chosen AS (
    SELECT ti.dag_id, ti.run_id, ti.task_id, ti.map_index FROM
    {tries_not_kept}
    AND coalesce(ti.state, '') NOT IN ({last_states})
    AND ti.end_date IS NULL  -- if task_instance.retry_reason
)
UPDATE task_instance AS ti SET end_date = now(), updated_at = now(),
    duration = CASE WHEN isfinite(ti.start_date) THEN extract(epoch FROM now() - ti.start_date) END
FROM chosen
WHERE ti.dag_id = chosen.dag_id AND ti.run_id = chosen.run_id AND ti.task_id = chosen.task_id
    AND ti.map_index = chosen.map_index

-- name: steering.keep_tries
-- only if task_instance_history.try_number
INSERT INTO task_instance_history (
    task_instance_id, dag_version_id, context_carrier, span_status, scheduled_dttm,  -- if task_instance.dag_version_id
    job_id,  -- if task_instance.job_id
    retry_delay_override, retry_reason,  -- if task_instance.retry_reason
    dag_id, run_id, task_id, map_index, try_number, state, start_date, end_date, duration, max_tries, hostname, unixname,
    pool, pool_slots, queue, priority_weight, operator, custom_operator_name, queued_dttm, queued_by_job_id, pid, executor,
    executor_config, updated_at, rendered_map_index, external_executor_id, trigger_id, trigger_timeout, next_method,
    next_kwargs, task_display_name)
SELECT
    ti.id, ti.dag_version_id, ti.context_carrier, ti.span_status, ti.scheduled_dttm,  -- if task_instance.dag_version_id
    ti.job_id,  -- if task_instance.job_id
    ti.retry_delay_override, ti.retry_reason,  -- if task_instance.retry_reason
    ti.dag_id, ti.run_id, ti.task_id, ti.map_index, coalesce(ti.try_number, 0),
    CASE WHEN ti.state IN ({last_states}) THEN ti.state ELSE 'failed' END,
    ti.start_date, ti.end_date, ti.duration, ti.max_tries, ti.hostname, ti.unixname,
    ti.pool, ti.pool_slots, ti.queue, ti.priority_weight, ti.operator, ti.custom_operator_name, ti.queued_dttm,
    ti.queued_by_job_id, ti.pid, ti.executor, ti.executor_config, ti.updated_at,
    ti.rendered_map_index,  -- if task_instance.job_id
    coalesce(ti.rendered_map_index, CASE WHEN ti.map_index >= 0 THEN ti.map_index::text END),  -- unless task_instance.job_id
    -- Airflow writes a null of JSON there.
    ti.external_executor_id, ti.trigger_id, ti.trigger_timeout, ti.next_method, coalesce(ti.next_kwargs, 'null'),
    ti.task_display_name
FROM
{tries_not_kept}

-- name: steering.drop_reschedules
-- Of the tries that are cleared. Before Airflow 2.10 an instance that does not run any more, or is ended, has the number of
-- the try before.
DELETE FROM task_reschedule AS past
USING dag_run AS r, unnest($2::text[], $3::int[]) AS given (task_id, map_index), task_instance AS ti
WHERE r.id = $1 AND {same_run(ti, r)} AND ti.task_id = given.task_id
    AND ti.map_index = given.map_index  -- if task_instance.map_index
    AND {same_run(past, ti)} AND past.task_id = ti.task_id
    AND past.map_index = ti.map_index  -- if task_instance.map_index
    AND past.try_number = ti.try_number  -- if task_instance_history.try_number
    AND past.try_number = ti.try_number  -- unless task_instance_history.try_number
        + CASE WHEN ti.state = 'running' AND ti.job_id IS NULL THEN 0 ELSE 1 END  -- unless task_instance_history.try_number

-- fragment: state_of_cleared
-- Of an instance that is running: its process, which sees that, ends.
'restarting'

-- fragment: has_process
-- Airflow 2 does not touch an instance that runs without a job.
AND ti.job_id IS NOT NULL  -- if task_instance.job_id

-- name: steering.restart_jobs
-- only if task_instance.job_id
UPDATE job SET state = {state_of_cleared} WHERE id IN (
    SELECT ti.job_id FROM dag_run AS r JOIN task_instance AS ti ON {same_run(ti, r)}
    {given_instances}
    WHERE r.id = $1 AND ti.state = 'running'
)

-- name: steering.restart_running
UPDATE task_instance AS ti SET
    updated_at = now(),  -- if task_instance.updated_at
    state = {state_of_cleared}
FROM dag_run AS r, unnest($2::text[], $3::int[]) AS given (task_id, map_index)
WHERE r.id = $1 AND {same_run(ti, r)} AND ti.task_id = given.task_id AND ti.state = 'running'
    AND ti.map_index = given.map_index  -- if task_instance.map_index
    {has_process}

-- fragment: cleared_columns
-- NULL in `new` leaves a column as it is; there is no row of a task that the DAG does not have any more.
updated_at = now(),  -- if task_instance.updated_at
external_executor_id = NULL, next_method = NULL, next_kwargs = NULL,  -- if task_instance.next_method
custom_operator_name = coalesce(new.custom_operator_name, ti.custom_operator_name),  -- if task_instance.custom_operator_name
executor = CASE WHEN new.is_whole THEN new.executor ELSE ti.executor END,  -- if task_instance.executor
queue = coalesce(new.queue, ti.queue),
priority_weight = coalesce(new.priority_weight, ti.priority_weight),
pool = coalesce(new.pool, ti.pool),
pool_slots = coalesce(new.pool_slots, ti.pool_slots),
operator = coalesce(new.operator, ti.operator),
max_tries = CASE WHEN new.retries IS NULL THEN greatest(ti.max_tries, ti.try_number, 0)
    ELSE least(coalesce(ti.try_number, 0)::bigint + new.retries, 2147483647) END,
state = NULL

-- fragment: unless_it_runs
AND ti.state IS DISTINCT FROM 'running'

-- name: steering.clear_instances
-- Those that do not run. $4 is a JSON array: what the DAG says of their tasks.
UPDATE task_instance AS ti SET
    {cleared_columns}
FROM dag_run AS r
CROSS JOIN unnest($2::text[], $3::int[]) AS given (task_id, map_index)
LEFT JOIN json_to_recordset($4) AS new (
    task_id text, retries int, pool text, pool_slots int, queue text, priority_weight int, operator text,
    custom_operator_name text, executor text, is_whole boolean
) ON new.task_id = given.task_id
WHERE r.id = $1 AND {same_run(ti, r)} AND ti.task_id = given.task_id
    {unless_it_runs}
    AND ti.map_index = given.map_index  -- if task_instance.map_index

-- name: steering.requeue_run
-- The run of instances that were cleared goes on, from the beginning of its time if it had ended. $2 is for Airflow 3.0 alone:
-- whether the DAG's runs follow its bundle.
UPDATE dag_run SET
    updated_at = now(), last_scheduling_decision = NULL, start_date = NULL, end_date = NULL, queued_at = now(),
    clear_number = clear_number + 1,  -- if dag_run.clear_number
    state = 'queued'
WHERE id = $1 AND state IN ('success', 'failed') AND $2::boolean IS NOT NULL
RETURNING state

-- name: steering.delete_run
-- Foreign keys take along what belongs to the run. The number of rows of the run and its instances.
WITH instances AS (
    SELECT count(*) AS number FROM dag_run AS r JOIN task_instance AS ti ON {same_run(ti, r)} WHERE r.id = $1
), deleted AS (
    DELETE FROM dag_run WHERE id = $1
)
SELECT number + 1 FROM instances
