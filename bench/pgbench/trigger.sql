\set second :second + 1
\set n 1 + :second % (:dags - 1)
INSERT INTO dag_run (dag_id, run_id, execution_date, state, external_trigger, start_date)
VALUES ('bench_' || lpad(:n::text, 4, '0'), 'load_' || :client_id || '_' || :second,
    to_timestamp(:second::bigint + :client_id * 100000), 'running', true, now());
