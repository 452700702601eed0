-- What Airflow 2.x and 3.x have in common, unlike 1.10. Lines with columns that only some minor releases have are
-- conditional.

-- fragment: any_serialized
true

-- fragment: same_run(instance, run)
{instance}.dag_id = {run}.dag_id AND {instance}.run_id = {run}.run_id

-- fragment: runs_under_way
-- Each of these states has an index.
SELECT dag_run.id, dag_run.state FROM dag_run WHERE dag_run.state = 'queued'
UNION ALL
SELECT dag_run.id, dag_run.state FROM dag_run WHERE dag_run.state = 'running'

-- fragment: dag_in_url(dag_id)
{percent_encoded({dag_id})}

-- fragment: has_begun(run)
{run}.state <> 'queued'

-- fragment: ab_user_id
SELECT id FROM (
    {ab_user($1, $2::boolean)}
) AS person
WHERE active AND same = 1

-- fragment: permission_of_dags
-- The resource of a permission for one DAG is `DAG:` and its dag_id; for its runs (2.10 and later) `DAG Run:` and that.
CASE
    WHEN resource LIKE 'DAG:%' THEN 'DAGs'
    WHEN resource LIKE 'DAG Run:%' THEN 'DAG Runs'  -- if task_instance.executor
    ELSE resource
END AS resource,
CASE WHEN resource LIKE ANY (ARRAY['DAG:%', 'DAG Run:%']) THEN substr(resource, strpos(resource, ':') + 1) END AS dag_id

-- fragment: chosen_instance
-- For a mapped task without a map_index it is the instance that is furthest from its end, so that it is finished only when
-- all of them are.
task_instance.dag_id = requested.dag_id AND task_instance.task_id = requested.task_id
AND task_instance.run_id = r.run_id
AND (requested.map_index IS NULL OR task_instance.map_index = requested.map_index)
ORDER BY {way_to_the_end(task_instance.state)}, task_instance.map_index
LIMIT 1

-- fragment: mapped_instances
LEFT JOIN LATERAL (
    SELECT count(*) AS instances FROM task_instance
    WHERE requested.map_index IS NULL AND ti.map_index >= 0
        AND task_instance.dag_id = requested.dag_id AND task_instance.task_id = requested.task_id
        AND task_instance.run_id = r.run_id
) AS mapped ON true

-- fragment: root_of_subdag
-- Up to Airflow 2.7 a sub-DAG has the permissions of its root, and later ones of its own. As in Airflow, only an id with a
-- dot may be that of a sub-DAG.
CASE WHEN strpos(dag.dag_id, '.') > 0 THEN {root_dag_id} ELSE dag.dag_id END  -- unless log.owner_display_name
dag.dag_id  -- if log.owner_display_name

-- name: find_roots
-- only if dag.root_dag_id
-- For each DAG the one whose permissions count; for an unknown one itself.
SELECT coalesce(d.root_dag_id, requested.dag_id)
FROM unnest(ARRAY(SELECT json_array_elements_text($1))) WITH ORDINALITY AS requested (dag_id, n)
LEFT JOIN LATERAL (
    SELECT
        {root_of_subdag}
        AS root_dag_id
    FROM dag WHERE dag.dag_id = requested.dag_id
) AS d ON true
ORDER BY requested.n

-- name: unfinished_runs
-- How many runs are in each state that is not final, at most 10,000 for each state; each has an index.
SELECT 'queued' AS state, count(*) AS number
FROM (SELECT FROM dag_run WHERE state = 'queued' LIMIT 10000) AS found
UNION ALL
SELECT 'running', count(*) FROM (SELECT FROM dag_run WHERE state = 'running' LIMIT 10000) AS found

-- fragment: unfinished_of(state)
SELECT dag_run.id, dag_run.dag_id, dag_run.run_id, dag_run.{run_date}, dag_run.state, dag_run.start_date,
    dag_run.end_date
FROM dag_run
WHERE dag_run.state = {state} AND ($3::text[] IS NULL OR dag_run.dag_id = ANY ($3))
LIMIT 1000

-- name: running_instance
-- Airflow 2 and 3 do not delete a DAG while one of its tasks is running.
SELECT task_id FROM task_instance WHERE dag_id = ANY ($1::text[]) AND state = 'running' LIMIT 1

-- fragment: log_date(run)
{iso_date({run}.{run_date})}

-- name: find_log_facts
-- What the name of a task instance's log is made of, and where it may be. A log has the name that the template at its time
-- gave it; some releases take that of the run, and others the newest one. Runs from before there were templates have none.
SELECT ti.try_number, ti.state, ti.hostname, ti.run_id, ti.map_index, {log_date(r)} AS logical_date,
    {iso_date(r.data_interval_start)} AS data_interval_start, {iso_date(r.data_interval_end)} AS data_interval_end,
    ARRAY(
        SELECT filename FROM log_template
        WHERE
            id IN (coalesce(r.log_template_id, (SELECT min(id) FROM log_template)), (SELECT max(id) FROM log_template))
            AND length(filename) <= 4096
        ORDER BY id = (SELECT max(id) FROM log_template)
    ) AS templates
FROM task_instance AS ti
JOIN dag_run AS r ON r.dag_id = ti.dag_id AND r.run_id = ti.run_id
WHERE ti.dag_id = $1 AND ti.task_id = $2 AND ti.run_id = $3 AND ti.map_index = $4::integer

-- fragment: is_by_schedule(run)
{run}.run_type = 'scheduled'

-- fragment: is_schedule_open
false
