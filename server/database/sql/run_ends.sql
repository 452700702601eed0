-- The runs that have ended, for those who tell others of them; the same for every Airflow.

-- fragment: end_of_run
dag_run.id::bigint AS id, dag_run.dag_id, dag_run.run_id, dag_run.state::text AS state, {shown_date(dag_run.end_date)} AS end_date

-- name: moment
SELECT now()

-- name: run_ends_after
-- The first $4 runs that ended after the run $2 that ended at $1, and not after $3. Only a standalone database has an index
-- for that.
SELECT {end_of_run}
FROM dag_run
WHERE dag_run.state IN ('success', 'failed') AND (dag_run.end_date, dag_run.id) > ($1::timestamptz, $2::bigint)
    AND dag_run.end_date <= $3::timestamptz AND dag_run.dag_id IS NOT NULL AND dag_run.run_id IS NOT NULL
ORDER BY dag_run.end_date, dag_run.id
LIMIT $4::integer

-- name: run_ends_of
-- Those of the runs with the ids $1 that have ended.
SELECT {end_of_run}
FROM dag_run
WHERE dag_run.id = ANY ($1::bigint[]) AND dag_run.state IN ('success', 'failed')
    AND dag_run.dag_id IS NOT NULL AND dag_run.run_id IS NOT NULL
ORDER BY dag_run.end_date, dag_run.id
