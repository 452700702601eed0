-- What a small team's service looks like after some weeks, for pictures: each statement is called by its name.

-- name: scheduler
INSERT INTO job (job_type, state, latest_heartbeat) VALUES ('SchedulerJob', 'running', '9999-01-01')

-- name: runs
-- $2 runs of a DAG, the newest $3 ago and each $4 before the next; those of which the number is in $5 have failed.
INSERT INTO dag_run (dag_id, execution_date, state, run_id, external_trigger, start_date, end_date, conf)
SELECT $1, moment, CASE WHEN n = ANY ($5::int[]) THEN 'failed' ELSE 'success' END,
    format('nightly__%s', to_char(moment AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI')), false, moment + interval '3 seconds',
    moment + (75 + n * 37 % 41) * interval '1 second', $6
FROM (
    SELECT n, date_trunc('minute', now() - $3::interval) - n * $4::interval AS moment
    FROM generate_series(0, $2::int - 1) AS n
) AS runs

-- name: under_way
UPDATE dag_run SET state = 'running', end_date = NULL
WHERE dag_id = $1 AND execution_date = (SELECT max(execution_date) FROM dag_run WHERE dag_id = $1)

-- name: tasks
-- Every task of every run, one after the other; those after a failed one have not run.
INSERT INTO task_instance (task_id, dag_id, execution_date, start_date, end_date, duration, state, try_number, max_tries,
    hostname, unixname, pool, pool_slots, queue, priority_weight, operator)
SELECT task ->> 'task_id', dag_id, execution_date,
    CASE WHEN began THEN run.start_date + share * place END,
    CASE WHEN ended THEN run.start_date + share * (place + 1) END,
    CASE WHEN ended THEN extract(epoch FROM share) END,
    CASE
        WHEN run.state = 'failed' AND place = breaks THEN 'failed'
        WHEN run.state = 'failed' AND place > breaks THEN 'upstream_failed'
        WHEN run.state = 'running' AND place = breaks THEN 'running'
        WHEN run.state = 'running' AND place > breaks THEN NULL
        ELSE 'success' END,
    CASE WHEN began THEN 1 ELSE 0 END, 1, 'worker-1', 'airflow', coalesce(task ->> 'pool', 'default_pool'), 1, 'default', 1,
    'BashOperator'
FROM dag_run AS run
JOIN serialized_dag USING (dag_id),
    json_array_length(data #> '{dag,tasks}') AS length,
    json_array_elements(data #> '{dag,tasks}') WITH ORDINALITY AS each (task, number),
    LATERAL (SELECT number - 1 AS place, length / 2 AS breaks,
        coalesce(run.end_date - run.start_date, interval '80 seconds') / length AS share) AS parts,
    LATERAL (SELECT run.state = 'success' OR place <= breaks AS began,
        run.state = 'success' OR place < breaks OR (run.state = 'failed' AND place = breaks) AS ended) AS done
