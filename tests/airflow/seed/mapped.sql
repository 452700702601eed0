INSERT INTO task_instance (
    id, dag_version_id,  -- if task_instance.dag_version_id
    dag_id, task_id, run_id, map_index, state, pool, pool_slots, try_number)
SELECT
    gen_random_uuid(), dag_version_id,  -- if task_instance.dag_version_id
    'd', 'm', run_id, n, 'running', 'default_pool', 1, 1
FROM task_instance, generate_series(0, 1) AS n WHERE run_id = 'run_1';
