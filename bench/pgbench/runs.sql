SELECT dag_id, execution_date, id, run_id, start_date, state FROM dag_run
WHERE dag_id = 'bench_0000' ORDER BY execution_date;
