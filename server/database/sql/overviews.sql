-- What is shown of many runs, or of many DAGs, at once.

-- fragment: newest_first(run)
-- The order of a DAG's runs, in Airflow 1.10 and 2; a run without a date has no place in it.
{run}.execution_date DESC

-- fragment: is_older_than(run, id)
-- Than the run of the DAG $1 with this id.
{run}.execution_date < (
    SELECT given.execution_date FROM dag_run AS given WHERE given.id = {id} AND given.dag_id = $1::text
)

-- fragment: any_run
true

-- fragment: older_run
{is_older_than(run, $3::bigint)}

-- fragment: grid_of(wanted)
-- The newest $2 runs of the DAG $1, each with the states of its tasks, as many as have 20,000 task instances together; of the
-- first one at most 20,000 are read. {wanted} is the name of the fragment that says which runs count. `has_more` tells
-- whether there are other ones.
WITH found AS (
    SELECT
        run.run_after,  -- if dag_run.run_after
        run.run_type,  -- if dag_run.run_type
        NULL::text AS run_type,  -- unless dag_run.run_type
        run.id, run.dag_id, run.run_id, run.{run_date}, run.state, run.start_date, run.end_date
    FROM dag_run AS run
    WHERE run.dag_id = $1::text AND {run_start(run)} IS NOT NULL
        AND
        {{wanted}}
    ORDER BY {newest_first(run)} LIMIT $2::integer + 1
), counted AS (
    SELECT found.*, row_number() OVER in_order AS place, sum(made.number) OVER in_order AS instances
    FROM found
    CROSS JOIN LATERAL (
        SELECT count(*) AS number
        FROM (SELECT FROM task_instance AS one WHERE {same_run(one, found)} LIMIT 20001) AS one
    ) AS made
    WINDOW in_order AS (ORDER BY {newest_first(found)})
), shown AS (
    SELECT * FROM counted WHERE place = 1 OR (place <= $2::integer AND instances <= 20000)
)
SELECT shown.id, shown.run_id, shown.run_type, shown.state, {shown_date(shown.{run_date})} AS execution_date,
    {shown_date(shown.start_date)} AS start_date, {shown_date(shown.end_date)} AS end_date,
    shown.instances > 20000 AS is_cut,
    (SELECT count(*) FROM counted) > (SELECT count(*) FROM shown) AS has_more,
    (
        SELECT json_object_agg(cell.task_id, cell.state ORDER BY cell.task_id COLLATE "C")::text
        FROM (
            SELECT counts.task_id,
                CASE WHEN bool_or(counts.is_mapped) THEN json_build_object(
                    'mapped', json_object_agg(coalesce(counts.state, 'none'), counts.number),
                    'state', (array_agg(counts.state ORDER BY {way_to_the_end(counts.state)}))[1]
                ) ELSE to_json(max(counts.state)) END AS state
            FROM (
                SELECT one.task_id, one.state, bool_or(one.map_index >= 0) AS is_mapped, count(*) AS number
                FROM (
                    SELECT
                        ti.map_index,  -- if task_instance.map_index
                        -1 AS map_index,  -- unless task_instance.map_index
                        ti.task_id, ti.state
                    FROM task_instance AS ti WHERE {same_run(ti, shown)} LIMIT 20000
                ) AS one
                GROUP BY one.task_id, one.state
            ) AS counts
            GROUP BY counts.task_id
        ) AS cell
    ) AS tasks
FROM shown
ORDER BY shown.place

-- name: grid
{grid_of(any_run)}

-- name: grid_before
-- The same of the runs that are older than the run $3.
{grid_of(older_run)}

-- name: is_run_of
SELECT EXISTS (SELECT FROM dag_run WHERE id = $2::bigint AND dag_id = $1::text)
