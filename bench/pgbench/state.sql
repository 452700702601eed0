\set n random(0, :dags - 1)
\set hours random(0, 99)
SELECT state FROM dag_run
WHERE dag_id = 'bench_' || lpad(:n::text, 4, '0')
    AND execution_date = timestamptz '2015-01-01 00:00+00' + :hours * interval '1 hour';
