INSERT INTO dag_run (
    execution_date,  -- if dag_run.execution_date
    logical_date, run_after,  -- if dag_run.logical_date
    run_type,  -- if dag_run.run_type
    clear_number,  -- if dag_run.clear_number
    dag_id, run_id, state)
SELECT
    moment,  -- unless dag_run.logical_date
    moment, moment,  -- if dag_run.logical_date
    'manual',  -- if dag_run.run_type
    0,  -- if dag_run.clear_number
    'd', 'run_' || n, 'success'
FROM (SELECT n, timestamptz '2021-01-01' + n * interval '1 minute' AS moment FROM generate_series(1, 5000) AS n) AS runs;
INSERT INTO task_instance (
    id, dag_version_id,  -- if task_instance.dag_version_id
    execution_date,  -- if task_instance.execution_date
    run_id,  -- if task_instance.run_id
    dag_id, task_id, state, pool, pool_slots, try_number)
SELECT
    gen_random_uuid(), (SELECT max(id::text)::uuid FROM dag_version),  -- if task_instance.dag_version_id
    execution_date,  -- if task_instance.execution_date
    run_id,  -- if task_instance.run_id
    'd', 't', 'success', 'default_pool', 1, 1
FROM dag_run;
ANALYZE;
