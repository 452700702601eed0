-- Many rows for the page, in a standalone database: each statement is called by its name.

-- name: dags
INSERT INTO dag (dag_id, is_paused, is_subdag, is_active, fileloc, owners, schedule_interval, description)
SELECT format('team_%s.job_%s', n % 20, lpad(n::text, 4, '0')), n % 7 = 0, false, true, format('/dags/team_%s.yaml', n % 20),
    format('owner_%s', n % 12), CASE n % 3 WHEN 0 THEN '"@daily"' WHEN 1 THEN '"15 * * * *"' ELSE 'null' END,
    CASE WHEN n % 5 > 0 THEN format('Job number %s of team %s', n, n % 20) END
FROM generate_series(1, $1::int) AS n

-- name: special
WITH made AS (
    INSERT INTO dag (dag_id, is_paused, is_subdag, is_active, fileloc, owners, schedule_interval, description)
    VALUES
        ('wide', false, false, true, '/dags/wide.yaml', 'owner_1', '"@hourly"', 'Has very many tasks'),
        ('long', false, false, true, '/dags/long.yaml', 'owner_2', '"@hourly"', 'Has very many runs'),
        ('never_run', false, false, true, '/dags/never_run.yaml', 'owner_3', 'null', 'Has no run yet'),
        ('left', false, false, false, '/dags/left.yaml', 'owner_4', 'null', 'A run of it is under way')
)
INSERT INTO dag_tag (name, dag_id)
SELECT format('tag_%s', n % 30), format('team_%s.job_%s', n % 20, lpad(n::text, 4, '0'))
FROM generate_series(1, (SELECT count(*) FROM dag)) AS n

-- name: serialized
-- Layers of ten tasks, each of which waits for its own and the next of the layer above.
WITH wide AS (
    SELECT json_agg(json_build_object(
        'task_id', format('task_%s', lpad(n::text, 3, '0')), '_task_type', 'BashOperator',
        '_task_module', 'airflow.operators.bash_operator', 'owner', 'owner_1', 'pool', 'default_pool', 'retries', 1,
        '_downstream_task_ids', (
            SELECT coalesce(json_agg(format('task_%s', lpad(below::text, 3, '0'))), '[]')
            FROM unnest(ARRAY[n + 10, CASE WHEN n % 10 < 9 THEN n + 11 END]) AS below WHERE below < $1::int
        )) ORDER BY n) AS tasks
    FROM generate_series(0, $1::int - 1) AS n
), few AS (
    SELECT json_agg(json_build_object('task_id', task_id, '_task_type', 'BashOperator', 'owner', 'owner_2',
        '_task_module', 'airflow.operators.bash_operator', 'pool', 'default_pool',
        '_downstream_task_ids', below)) AS tasks
    FROM (VALUES ('extract', '["transform"]'::json), ('transform', '["load"]'), ('load', '[]')) AS each (task_id, below)
)
INSERT INTO serialized_dag (dag_id, fileloc, fileloc_hash, data, last_updated, dag_hash)
SELECT dag_id, fileloc, hashtext(fileloc), json_build_object('__version', 1, 'dag', json_build_object(
        '_dag_id', dag_id, 'fileloc', fileloc, 'timezone', 'UTC', 'catchup', false,
        'tasks', CASE WHEN dag_id = 'wide' THEN wide.tasks ELSE few.tasks END)), now(), md5(dag_id)
FROM dag, wide, few

-- name: few_runs
-- Up to ten runs of each DAG, the newest an hour ago, in states of all kinds.
INSERT INTO dag_run (dag_id, execution_date, state, run_id, external_trigger, start_date, end_date)
SELECT dag_id, moment, state, format('scheduled__%s', to_char(moment, 'YYYY-MM-DD"T"HH24:MI:SS"+00:00"')), false, moment,
    CASE WHEN state <> 'running' THEN moment + (1 + n % 50) * interval '1 minute' END
FROM (
    SELECT dag_id, n, date_trunc('hour', now() AT TIME ZONE 'UTC') AT TIME ZONE 'UTC' - n * interval '1 day' AS moment,
        CASE WHEN (hashtext(dag_id) + n) % 9 = 0 THEN 'failed' WHEN n = 1 AND hashtext(dag_id) % 23 = 0 THEN 'running'
            ELSE 'success' END AS state
    FROM dag, generate_series(1, CASE WHEN dag_id = 'wide' THEN 25 ELSE abs(hashtext(dag_id)) % 11 END) AS n
    WHERE dag_id NOT IN ('long', 'never_run', 'left')
) AS runs

-- name: runs_left
-- The one that is under way is older than one that has ended.
INSERT INTO dag_run (dag_id, execution_date, state, run_id, external_trigger, start_date, end_date)
SELECT 'left', now() - age, state, run_id, true, now() - age, CASE WHEN state = 'success' THEN now() END
FROM (VALUES ('oldest', 'success', interval '2 hours'), ('older', 'running', interval '1 hour'),
    ('newer', 'success', interval '1 minute')) AS runs (run_id, state, age)

-- name: many_runs
INSERT INTO dag_run (dag_id, execution_date, state, run_id, external_trigger, start_date, end_date)
SELECT 'long', moment, CASE WHEN n % 13 = 0 THEN 'failed' ELSE 'success' END,
    format('scheduled__%s', to_char(moment, 'YYYY-MM-DD"T"HH24:MI:SS"+00:00"')), n % 50 = 0, moment,
    moment + (60 + n % 17 * 30) * interval '1 second'
FROM (
    SELECT n, date_trunc('hour', now() AT TIME ZONE 'UTC') AT TIME ZONE 'UTC' - n * interval '1 hour' AS moment
    FROM generate_series(1, $1::int) AS n
) AS runs

-- name: task_instances
INSERT INTO task_instance (task_id, dag_id, execution_date, start_date, end_date, duration, state, try_number, max_tries,
    hostname, unixname, pool, pool_slots, queue, priority_weight, operator)
SELECT task ->> 'task_id', dag_id, execution_date, run.start_date + share * place, run.start_date + share * (place + 1),
    extract(epoch FROM share), CASE
        WHEN run.state = 'failed' AND place = last THEN 'failed'
        WHEN run.state = 'running' AND place = last THEN 'running'
        ELSE 'success' END, 1, 1, 'worker-1', 'airflow', 'default_pool', 1, 'default', 1, 'BashOperator'
FROM dag_run AS run
JOIN serialized_dag USING (dag_id),
    json_array_length(data #> '{dag,tasks}') AS length,
    json_array_elements(data #> '{dag,tasks}') WITH ORDINALITY AS each (task, number),
    LATERAL (SELECT number - 1 AS place, length - 1 AS last,
        coalesce(run.end_date - run.start_date, interval '10 minutes') / length AS share) AS parts
WHERE dag_id IN ('long', 'wide')
