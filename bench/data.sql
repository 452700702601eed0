-- The fixed data set. DAG 0 has 100 runs, for the list of runs; the others share the rest evenly.

-- name: dags
INSERT INTO dag (dag_id, is_paused, is_subdag, is_active, fileloc, owners, schedule_interval)
SELECT format('bench_%s', lpad(n::text, 4, '0')), false, false, true, '/dags/bench.py', 'bench', '"@hourly"'
FROM generate_series(0, $1::int - 1) AS n

-- name: serialized
INSERT INTO serialized_dag (dag_id, fileloc, fileloc_hash, data, last_updated, dag_hash)
SELECT dag_id, fileloc, 1, replace('{"__version": 1, "dag": {"_dag_id": "THE_DAG", "fileloc": "/dags/bench.py",
    "schedule_interval": "@hourly", "timezone": "UTC", "catchup": false, "tags": [],
    "default_args": {"__type": "dict", "__var": {"owner": "bench", "start_date": {"__type": "datetime", "__var": 0.0}}},
    "tasks": [
        {"task_id": "extract", "_task_type": "BashOperator", "_task_module": "airflow.operators.bash_operator",
         "_downstream_task_ids": ["load"], "_inlets": {"auto": false, "task_ids": [], "datasets": []},
         "_outlets": {"datasets": []}, "ui_color": "#f0ede4", "ui_fgcolor": "#000", "owner": "bench", "start_date": 0.0,
         "template_fields": ["bash_command", "env"], "bash_command": "true"},
        {"task_id": "load", "_task_type": "BashOperator", "_task_module": "airflow.operators.bash_operator",
         "_downstream_task_ids": [], "_inlets": {"auto": false, "task_ids": [], "datasets": []},
         "_outlets": {"datasets": []}, "ui_color": "#f0ede4", "ui_fgcolor": "#000", "owner": "bench", "start_date": 0.0,
         "template_fields": ["bash_command", "env"], "bash_command": "true"}]}}', 'THE_DAG', dag_id)::json, now(), md5(dag_id)
FROM dag

-- name: code
INSERT INTO dag_code (fileloc_hash, fileloc, source_code, last_updated) VALUES (1, '/dags/bench.py', 'pass', now())

-- name: scheduler
-- One that is alive for ever: no answer warns of a dead one.
INSERT INTO job (job_type, state, latest_heartbeat) VALUES ('SchedulerJob', 'running', '9999-01-01')

-- name: pools
INSERT INTO slot_pool (pool, slots, description)
SELECT format('pool_%s', n), n, 'A pool' FROM generate_series(1, 20) AS n

-- name: runs
INSERT INTO dag_run (dag_id, execution_date, state, run_id, external_trigger, start_date, end_date)
SELECT format('bench_%s', lpad(dag::text, 4, '0')), date, 'success', format('scheduled__%s', date), false, date, date
FROM (
    SELECT 0 AS dag, n AS hour FROM generate_series(0, 99) AS n
    UNION ALL
    SELECT 1 + n % ($1::int - 1), n / ($1::int - 1) FROM generate_series(0, $2::int - 101) AS n
) AS run, LATERAL (SELECT timestamptz '2015-01-01 00:00+00' + hour * interval '1 hour') AS at (date)

-- name: task_instances
INSERT INTO task_instance (task_id, dag_id, execution_date, start_date, end_date, duration, state, try_number, hostname,
    unixname, job_id, pool, queue, priority_weight, operator, queued_dttm, pid, max_tries, executor_config, pool_slots)
SELECT 'extract', dag_id, execution_date, execution_date, execution_date, 1.5, 'success', 1, 'worker', 'airflow', 1,
    'default_pool', 'default', 2, 'BashOperator', execution_date, 4711, 0, '\x80047d942e', 1
FROM dag_run

-- name: forget_triggered
-- Runs that the load made: all of them lie far in the future.
DELETE FROM dag_run WHERE execution_date >= '2030-01-01'
