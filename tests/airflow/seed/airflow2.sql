ALTER TABLE dag ALTER max_consecutive_failed_dag_runs SET DEFAULT 0;  -- if dag.max_consecutive_failed_dag_runs
INSERT INTO dag (dag_id, is_paused, is_subdag, is_active, fileloc, owners, max_active_tasks, has_task_concurrency_limits)
VALUES ('d', false, false, true, '/d.py', 'o', 16, false);
INSERT INTO dag_tag (name, dag_id) VALUES ('a', 'd'), ('b', 'd');
INSERT INTO dag_code (fileloc_hash, fileloc, last_updated, source_code) VALUES (1, '/d.py', now(), 'source');
INSERT INTO serialized_dag (dag_id, fileloc, fileloc_hash, data, last_updated, dag_hash)
VALUES ('d', '/d.py', 1, '{}', now(), 'x');
INSERT INTO job (dag_id, state, job_type, latest_heartbeat) VALUES (NULL, 'running', 'SchedulerJob', now());
INSERT INTO slot_pool (pool, slots, description, include_deferred) VALUES ('default_pool', 128, 'Default pool', false);
