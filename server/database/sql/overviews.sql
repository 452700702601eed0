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

-- fragment: newest_runs_of(dag_id, number)
SELECT
    one.run_after,  -- if dag_run.run_after
    one.id, one.run_id, one.state, one.start_date, one.end_date, one.{run_date}
FROM dag_run AS one WHERE one.dag_id = {dag_id} AND {run_start(one)} IS NOT NULL
ORDER BY {newest_first(one)} LIMIT {number}

-- fragment: next_run(dag)
{dag}.next_dagrun  -- if dag.next_dagrun
NULL::timestamptz  -- unless dag.next_dagrun

-- fragment: is_listed(dag, dag_ids)
-- {dag_ids} is a parameter; NULL: all are.
({dag_ids}::text[] IS NULL OR {dag}.dag_id IN (SELECT unnest({dag_ids}::text[])))

-- fragment: found_dags(order)
-- The DAGs, without sub-DAGs, that are as the caller wants them, at most $1 after the first $2, and how many there are in all. A
-- condition that is NULL does not filter: of the DAGs $3, the search $4, any of the tags $5 and of the owners $6, paused or not
-- $7, active or not $8, and one of the states $9 of the newest run. The runs of the DAGs $10 may be read. The order is that of the
-- name $11, of what it leaves open that of the ids. Only with $12 is there more than the usual about each DAG. Of a description
-- 2,000 characters count, of the runs in each state at most 1,000. If nothing is found, there is one row without a dag_id.
-- Ids have the database's collation until they are sorted: with another one no index finds the DAGs of the page, and what is
-- shown of these is read for all DAGs.
WITH matching AS (
    SELECT dag.dag_id, CASE $11::text WHEN 'next_dagrun' THEN
        {next_run(dag)}
    WHEN 'last_run' THEN newest.start_date END AS moment
    FROM dag
    -- Without an id nothing is looked up.
    CROSS JOIN LATERAL (
        SELECT CASE WHEN ($9::text[] IS NOT NULL OR $11::text = 'last_run') AND {is_listed(dag, $10)} THEN dag.dag_id END
            AS dag_id
    ) AS wanted
    LEFT JOIN LATERAL (
        {newest_runs_of(wanted.dag_id, 1)}
    ) AS newest ON true
    WHERE {is_listed(dag, $3)}
        AND NOT coalesce(dag.is_subdag, false)  -- if dag.is_subdag
        AND (
            $4::text IS NULL OR strpos(lower(dag.dag_id), lower($4)) > 0
            OR strpos(lower(left(dag.description, 2000)), lower($4)) > 0
        )
        AND (
            $5::text[] IS NULL
            OR EXISTS (SELECT FROM dag_tag WHERE dag_tag.dag_id = dag.dag_id AND dag_tag.name = ANY ($5))
        )
        AND ($6::text[] IS NULL OR string_to_array(replace(dag.owners, ', ', ','), ',') && $6)
        AND ($7::boolean IS NULL OR coalesce(dag.is_paused, false) = $7)
        AND ($8::boolean IS NULL OR coalesce(
            dag.is_active,  -- if dag.is_active
            NOT dag.is_stale,  -- if dag.is_stale
            false) = $8)
        AND ($9::text[] IS NULL OR newest.state = ANY ($9))
), page AS (
    SELECT matching.dag_id, row_number() OVER () AS place FROM (
        SELECT dag_id FROM matching ORDER BY moment {order} NULLS LAST, dag_id COLLATE "C" {order} LIMIT $1 OFFSET $2
    ) AS matching
)
SELECT counted.total, page.place, one.*
FROM (SELECT count(*) AS total FROM matching) AS counted
LEFT JOIN page ON true
LEFT JOIN LATERAL (
    SELECT
        dag.dag_id,
        dag.is_active,  -- if dag.is_active
        NOT coalesce(dag.is_stale, false) AS is_active,  -- if dag.is_stale
        dag.is_paused, dag.owners,
        {schedule_interval}
        , ARRAY (SELECT name FROM dag_tag WHERE dag_tag.dag_id = dag.dag_id ORDER BY name) AS tags,
        left(dag.description, 2000) AS description,
        {shown_date(dag.next_dagrun)} AS next_dagrun,  -- if dag.next_dagrun
        {shown_date(dag.next_dagrun_create_after)} AS next_dagrun_create_after,  -- if dag.next_dagrun
        NULL::text AS next_dagrun, NULL::text AS next_dagrun_create_after,  -- unless dag.next_dagrun
        dag.timetable_description,  -- if dag.timetable_description
        NULL::text AS timetable_description,  -- unless dag.timetable_description
        coalesce({is_broken}, false) AS has_import_error,
        CASE WHEN $12::boolean AND {is_listed(dag, $10)} THEN coalesce((
            SELECT json_agg(json_build_object(
                'run_id', run.run_id, 'state', run.state, 'execution_date', {shown_date(run.{run_date})},
                'start_date', {shown_date(run.start_date)}, 'end_date', {shown_date(run.end_date)}
            ) ORDER BY {newest_first(run)})::text
            FROM (
                {newest_runs_of(dag.dag_id, 10)}
            ) AS run
        ), '[]') END AS last_runs,
        CASE WHEN $12::boolean AND {is_listed(dag, $10)} THEN (
            SELECT json_object_agg(wanted.state, counted.number)::text
            FROM unnest(ARRAY['failed', 'queued', 'running', 'success']) AS wanted (state)
            CROSS JOIN LATERAL (
                SELECT count(*) AS number FROM (
                    SELECT FROM dag_run WHERE dag_run.dag_id = dag.dag_id AND dag_run.state = wanted.state LIMIT 1000
                ) AS found
            ) AS counted
        ) END AS run_states
    FROM dag WHERE dag.dag_id = page.dag_id LIMIT 1
) AS one ON true
ORDER BY page.place

-- name: found_dags
{found_dags(ASC)}

-- name: found_dags_descending
{found_dags(DESC)}

-- name: dag_tags
-- The tags of the active DAGs that are among $1, or of all; at most 10,000.
SELECT DISTINCT dag_tag.name COLLATE "C" AS name
FROM dag_tag JOIN dag ON dag.dag_id = dag_tag.dag_id
WHERE {is_listed(dag, $1)}
    AND dag.is_active  -- if dag.is_active
    AND NOT coalesce(dag.is_stale, false)  -- if dag.is_stale
    AND NOT coalesce(dag.is_subdag, false)  -- if dag.is_subdag
ORDER BY name LIMIT 10000
