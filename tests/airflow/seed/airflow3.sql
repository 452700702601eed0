ALTER TABLE dag ALTER is_paused SET DEFAULT false;
ALTER TABLE dag ALTER timetable_type SET DEFAULT '';  -- if dag.timetable_type
ALTER TABLE dag ALTER partition_mapper_info SET DEFAULT '{}';  -- if dag.partition_mapper_info
INSERT INTO dag (dag_id, is_paused, is_stale, fileloc, relative_fileloc, owners, max_active_tasks, has_task_concurrency_limits,
    max_consecutive_failed_dag_runs, bundle_name)
VALUES ('d', false, false, '/d.py', 'd.py', 'o', 16, false, 0, 'dags-folder');
INSERT INTO dag_tag (name, dag_id) VALUES ('a', 'd'), ('b', 'd');
INSERT INTO dag_version (id, version_number, dag_id, created_at, last_updated)
VALUES (gen_random_uuid(), 1, 'd', now(), now()), (gen_random_uuid(), 2, 'd', now(), now());
INSERT INTO dag_code (id, fileloc, last_updated, source_code, dag_id, created_at, source_code_hash, dag_version_id)
SELECT gen_random_uuid(), '/d.py', now(), CASE version_number WHEN 2 THEN 'source' ELSE 'old' END, 'd', now(), '', id
FROM dag_version;
INSERT INTO serialized_dag (id, dag_id, data, created_at, last_updated, dag_hash, dag_version_id)
SELECT gen_random_uuid(), 'd', '{}', now(), now(), 'x', id FROM dag_version;
INSERT INTO job (dag_id, state, job_type, latest_heartbeat) VALUES (NULL, 'running', 'SchedulerJob', now());
INSERT INTO slot_pool (pool, slots, description, include_deferred) VALUES ('default_pool', 128, 'Default pool', false);
