-- The statements that are the same for every Airflow. Concurrent requests of a kind share a statement: one JSON array for
-- each column has an entry for each request, and the rows come back in their order. It is JSON because asyncpg looks twice
-- at each value of an array. unnest(ARRAY(SELECT ...)) hides from the planner how many there are: otherwise it plans short
-- ones again each time, which takes five times as long as looking up one key. And it makes the planner expect few, because
-- otherwise it reads whole tables. A lateral subquery keeps every look-up on its index, whatever the planner believes about
-- the table's size.

-- Fragments here say how Airflow 1.10 has it; the files of the later generations have fragments of the same names.

-- fragment: any_serialized
-- Whether the Airflow serializes DAGs at all.
EXISTS (SELECT FROM serialized_dag)

-- fragment: root_dag_id
coalesce(nullif(dag.root_dag_id, ''), dag.dag_id)

-- fragment: serialized_version(dag_id, bundle_version)
-- `version` changes whenever the serialized row of a root DAG is written again.
SELECT serialized_dag.xmin::text AS version FROM serialized_dag WHERE serialized_dag.dag_id = {dag_id}

-- fragment: is_serialized(dag_id)
EXISTS (SELECT FROM serialized_dag WHERE serialized_dag.dag_id = {dag_id})

-- fragment: document
CASE WHEN octet_length(data::text) <= $2 THEN data::text END AS data,
CASE WHEN data IS NULL AND octet_length(data_compressed) <= $2 THEN data_compressed END AS data_compressed  -- if serialized_dag.data_compressed
NULL::bytea AS data_compressed  -- unless serialized_dag.data_compressed

-- fragment: run_date
execution_date

-- name: find_dags
-- What is known about each DAG.
SELECT d.dag_id IS NOT NULL AS known, d.is_paused, d.root_dag_id, s.version, {any_serialized} AS any_serialized
FROM unnest(ARRAY(SELECT json_array_elements_text($1))) WITH ORDINALITY AS requested (dag_id, n)
LEFT JOIN LATERAL (
    SELECT
        dag.bundle_version,  -- if dag.bundle_version
        dag.dag_id, dag.is_paused, {root_dag_id} AS root_dag_id
    FROM dag WHERE dag.dag_id = requested.dag_id
) AS d ON true
LEFT JOIN LATERAL (
    {serialized_version(d.root_dag_id, d.bundle_version)}
) AS s ON true
ORDER BY requested.n

-- name: serialized_dag
-- The JSON of a serialized DAG, or its zlib form; neither if it has more than $2 bytes.
SELECT xmin::text AS version, false AS has_bundle_version,
    {document}
FROM serialized_dag WHERE dag_id = $1

-- name: dag_code
SELECT left(dag_code.source_code, $2)
FROM dag JOIN dag_code ON dag_code.fileloc = dag.fileloc
WHERE dag.dag_id = $1
LIMIT 1

-- fragment: schedule_interval
-- 1.10.12 and later store JSON, earlier releases the plain text; an interval stays Airflow's JSON.
CASE WHEN schedule_interval ~ '^"([^"\\[:cntrl:]]|\\["\\/bfnrt])*"$' THEN schedule_interval::json #>> '{}'  -- if dag.schedule_interval
    ELSE nullif(schedule_interval, 'null') END AS schedule_interval  -- if dag.schedule_interval
timetable_summary AS schedule_interval  -- unless dag.schedule_interval

-- fragment: dag_as_json
SELECT row_to_json(one)::text
FROM dag
CROSS JOIN LATERAL (
    SELECT
        dag_id,
        is_active,  -- if dag.is_active
        NOT coalesce(is_stale, false) AS is_active,  -- if dag.is_stale
        is_paused,
        CASE WHEN {fits_python(next_dagrun)} THEN {iso_date(next_dagrun)} END AS next_dagrun,  -- if dag.next_dagrun
        NULL::text AS next_dagrun,  -- unless dag.next_dagrun
        owners,
        {schedule_interval}
        , ARRAY (SELECT name FROM dag_tag WHERE dag_tag.dag_id = dag.dag_id ORDER BY name) AS tags
) AS one

-- fragment: list_of_dags(order)
{dag_as_json}
WHERE NOT coalesce(dag.is_subdag, false)  -- if dag.is_subdag
ORDER BY dag.dag_id COLLATE "C" {order}
LIMIT $1 OFFSET $2

-- fragment: list_of_readable_dags(order)
{dag_as_json}
WHERE dag.dag_id IN (SELECT unnest($3::text[]))
    AND NOT coalesce(dag.is_subdag, false)  -- if dag.is_subdag
ORDER BY dag.dag_id COLLATE "C" {order}
LIMIT $1 OFFSET $2

-- name: dags
{list_of_dags(ASC)}

-- name: dags_descending
{list_of_dags(DESC)}

-- name: count_dags
SELECT count(*) FROM dag
WHERE NOT coalesce(is_subdag, false)  -- if dag.is_subdag

-- name: readable.dags
-- Those of `dags` with the ids $3.
{list_of_readable_dags(ASC)}

-- name: readable.dags_descending
{list_of_readable_dags(DESC)}

-- name: readable.count_dags
SELECT count(*) FROM dag
WHERE dag_id IN (SELECT unnest($1::text[]))
    AND NOT coalesce(is_subdag, false)  -- if dag.is_subdag

-- fragment: root_of_subdag
-- The DAG whose permissions count. In Airflow 1.10 a sub-DAG has permissions of its own.
dag.dag_id

-- name: readable_dags
-- The DAGs among which are all that have, or whose root has, one of the ids $1 or an id that matches one of the patterns
-- $2. Only patterns cost a look at the whole table.
SELECT dag.dag_id,
    {root_of_subdag}
    AS root_dag_id
FROM dag WHERE dag.dag_id IN (SELECT unnest($1::text[]))
UNION
SELECT dag.dag_id,
    {root_of_subdag}
FROM dag WHERE
    dag.root_dag_id IN (SELECT unnest($1::text[]))  -- if dag.root_dag_id
    false  -- unless dag.root_dag_id
UNION
SELECT dag.dag_id,
    {root_of_subdag}
FROM dag WHERE cardinality($2::text[]) > 0 AND
    {root_of_subdag}
    LIKE ANY ($2)

-- fragment: is_of_file(one, other)
{one}.fileloc = {other}.fileloc

-- name: dags_of_file
-- The DAGs in the same file as $1.
SELECT
    {root_of_subdag}
    AS root_dag_id
FROM dag JOIN dag AS asked ON
    {is_of_file(dag, asked)}
WHERE asked.dag_id = $1

-- name: readable_dags_of_runs
-- The ids in `dag_run` that match one of the patterns $1 but have no row in `dag`.
WITH RECURSIVE
{dag_ids_of_runs}
SELECT dag_ids.dag_id FROM dag_ids
WHERE dag_ids.dag_id LIKE ANY ($1::text[]) AND NOT EXISTS (SELECT FROM dag WHERE dag.dag_id = dag_ids.dag_id)

-- fragment: is_active
-- Only later generations leave a run queued if its DAG is not active.
NULL::boolean

-- fragment: is_broken
dag.fileloc IN (SELECT import_error.filename FROM import_error)

-- fragment: is_migrated(revision)
-- Whether a migration has been committed since the statement was made for a revision.
SELECT coalesce(string_agg(version_num, ' ' ORDER BY version_num COLLATE "C"), '') <> {revision}::text AS migrated  -- if alembic_version.version_num
FROM alembic_version  -- if alembic_version.version_num
SELECT {revision}::text IS NOT NULL AS migrated  -- unless alembic_version.version_num

-- fragment: checked_runs(revision)
-- For the statements `trigger`: the requested runs, and ids for those that are to be inserted. A run is inserted if the DAG
-- is known and its serialized row is the one that the request was checked against (`fresh`). A row that is known and fresh
-- but has no id collided with another run, perhaps of this statement. Each request has its id before the insert, so a
-- stored id tells whose run it is.
checked AS (
    SELECT
        d.bundle_version, s.dag_version_id,  -- if dag.bundle_version
        requested.*, d.dag_id IS NOT NULL AS known, d.is_paused, d.is_active, d.is_broken,
        s.version IS NOT DISTINCT FROM requested.version AS fresh
    FROM requested
    LEFT JOIN LATERAL (
        SELECT
            dag.bundle_version,  -- if dag.bundle_version
            dag.dag_id, dag.is_paused, {is_active} AS is_active, {is_broken} AS is_broken
        FROM dag WHERE dag.dag_id = requested.dag_id
    ) AS d ON true
    LEFT JOIN LATERAL (
        {serialized_version(requested.root_dag_id, d.bundle_version)}
    ) AS s ON true
), schema AS (
    {is_migrated({revision})}
), numbered AS (
    SELECT *, CASE WHEN known AND fresh AND NOT migrated THEN nextval((
        SELECT coalesce(pg_get_serial_sequence('dag_run', 'id'), 'dag_run_id_seq')::regclass
    )) END AS id
    FROM checked CROSS JOIN schema
)

-- fragment: made_runs
-- What became of each requested run; `id` is that of the new run.
SELECT numbered.migrated, numbered.known, numbered.fresh, numbered.is_paused, numbered.is_active, numbered.is_broken,
    created.id
FROM numbered LEFT JOIN created ON created.id = numbered.id
ORDER BY numbered.n

-- name: find_collisions
-- The runs that a new run would collide with, by run_id and by date.
SELECT by_run_id.id IS NOT NULL AS run_id_taken, by_date.id IS NOT NULL AS date_taken, by_date.run_id AS run_at_date
FROM unnest(
    ARRAY(SELECT json_array_elements_text($1)),
    ARRAY(SELECT json_array_elements_text($2)),
    ARRAY(SELECT json_array_elements_text($3)::timestamptz)
) WITH ORDINALITY AS requested (dag_id, run_id, run_date, n)
LEFT JOIN LATERAL (
    SELECT id FROM dag_run WHERE dag_id = requested.dag_id AND run_id = requested.run_id
) AS by_run_id ON true
LEFT JOIN LATERAL (
    SELECT id, run_id FROM dag_run WHERE dag_id = requested.dag_id AND {run_date} = requested.run_date
) AS by_date ON true
ORDER BY requested.n

-- fragment: chosen_runs
dag_run.dag_id = $1
AND ($2::text[] IS NULL OR dag_run.state = ANY ($2))
AND ($3::text[] IS NULL OR dag_run.run_id = ANY ($3))
AND ($4::timestamptz IS NULL OR dag_run.{run_date} >= $4)
AND ($5::timestamptz IS NULL OR dag_run.{run_date} <= $5)

-- fragment: list_of_runs(order)
-- A DAG's runs as JSON objects. A NULL filter does not filter; $6 is the start of dag_run_url.
SELECT row_to_json(run)::text
FROM dag_run
CROSS JOIN LATERAL (
    SELECT
        dag_id,
        $6::text || {run_in_url(dag_run)} AS dag_run_url,
        {iso_date({run_date})} AS execution_date,
        id,
        run_id,
        coalesce({iso_date(start_date)}, '') AS start_date,
        state
) AS run
WHERE
    {chosen_runs}
    -- No run is listed if the DAG cannot be found.
    AND EXISTS (
        SELECT FROM (SELECT {root_dag_id} AS root_dag_id FROM dag WHERE dag.dag_id = $1) AS d
        WHERE {is_serialized(d.root_dag_id)} OR NOT {any_serialized}
    )
ORDER BY dag_run.{run_date} {order} NULLS LAST, dag_run.id {order}
LIMIT $7 OFFSET $8

-- name: dag_runs
{list_of_runs(ASC)}

-- name: dag_runs_descending
{list_of_runs(DESC)}

-- name: count_dag_runs
SELECT count(*)
FROM dag_run
WHERE
    {chosen_runs}

-- fragment: facts_of_runs
-- What the answer about a requested run needs to know about its DAG.
LEFT JOIN LATERAL (
    SELECT dag.dag_id, {root_dag_id} AS root_dag_id FROM dag WHERE dag.dag_id = requested.dag_id
) AS d ON true
CROSS JOIN LATERAL (
    SELECT {is_serialized(d.root_dag_id)} AS present
) AS s

-- fragment: states_of_runs(column, type)
-- Each run's state, found by DAG and date or run_id, with what the answer needs to know about the DAG.
SELECT d.dag_id IS NOT NULL AS known, s.present OR NOT {any_serialized} AS serialized, r.id, r.state
FROM unnest(
    ARRAY(SELECT json_array_elements_text($1)),
    ARRAY(SELECT json_array_elements_text($2)::{type})
) WITH ORDINALITY AS requested (dag_id, run, n)
{facts_of_runs}
LEFT JOIN LATERAL (
    SELECT dag_run.id, dag_run.state FROM dag_run
    WHERE dag_run.dag_id = requested.dag_id AND dag_run.{column} = requested.run
) AS r ON true
ORDER BY requested.n

-- name: find_runs
{states_of_runs({run_date}, timestamptz)}

-- name: find_runs_by_id
{states_of_runs(run_id, text)}

-- name: find_named_runs
-- The same for a list of runs, each named by its date or by its run_id: the other one is NULL.
SELECT d.dag_id IS NOT NULL AS known, s.present OR NOT {any_serialized} AS serialized, r.id, r.state
FROM unnest(
    ARRAY(SELECT json_array_elements_text($1)),
    ARRAY(SELECT json_array_elements_text($2)::timestamptz),
    ARRAY(SELECT json_array_elements_text($3))
) WITH ORDINALITY AS requested (dag_id, run_date, run_id, n)
{facts_of_runs}
LEFT JOIN LATERAL (
    SELECT dag_run.id, dag_run.state FROM dag_run
    WHERE dag_run.dag_id = requested.dag_id AND dag_run.{run_date} = requested.run_date
    UNION ALL
    SELECT dag_run.id, dag_run.state FROM dag_run
    WHERE dag_run.dag_id = requested.dag_id AND dag_run.run_id = requested.run_id
) AS r ON true
ORDER BY requested.n

-- fragment: instances_of_runs(column, type)
-- Each task instance, found by DAG, task and the date or run_id of the run, with its run's state and what the answer needs to know about the DAG. The columns after `run_state` are
-- the fields of `TaskInstance`, dates as Python's str shows them. If there is no instance, `task_id` is NULL.
SELECT d.dag_id IS NOT NULL AS known, d.root_dag_id, s.version, {any_serialized} AS any_serialized,
    r.id AS run, r.state AS run_state,
    requested.dag_id, {plain_date(r.{run_date})} AS execution_date, false AS test_mode,
    r.run_id, nullif(mapped.instances, 0) AS mapped_instances,  -- if task_instance.map_index
    ti.*
FROM unnest(
    ARRAY(SELECT json_array_elements_text($1)),
    ARRAY(SELECT json_array_elements_text($2)::{type}),
    ARRAY(SELECT json_array_elements_text($3)),
    ARRAY(SELECT json_array_elements_text($4)::integer)  -- if task_instance.map_index
    NULL::integer[]  -- unless task_instance.map_index
) WITH ORDINALITY AS requested (dag_id, run, task_id, map_index, n)
LEFT JOIN LATERAL (
    SELECT
        dag.bundle_version,  -- if dag.bundle_version
        dag.dag_id, {root_dag_id} AS root_dag_id
    FROM dag WHERE dag.dag_id = requested.dag_id
) AS d ON true
LEFT JOIN LATERAL (
    {serialized_version(d.root_dag_id, d.bundle_version)}
) AS s ON true
LEFT JOIN LATERAL (
    SELECT dag_run.id, dag_run.dag_id, dag_run.run_id, dag_run.{run_date}, dag_run.state FROM dag_run
    WHERE dag_run.dag_id = requested.dag_id AND dag_run.{column} = requested.run
) AS r ON true
LEFT JOIN LATERAL (
    SELECT
        job_id,  -- if task_instance.job_id
        NULL AS job_id,  -- unless task_instance.job_id
        map_index, try_number,  -- if task_instance.map_index
        task_id, duration, hostname, max_tries, operator, pid, pool, pool_slots, priority_weight, queue, state, unixname,
        {plain_date(end_date)} AS end_date, {plain_date(queued_dttm)} AS queued_dttm,
        {plain_date(start_date)} AS start_date,
        CASE WHEN octet_length(executor_config) > 262144 THEN '' ELSE executor_config END AS executor_config
    FROM task_instance
    WHERE
        {chosen_instance}
) AS ti ON true
{mapped_instances}
ORDER BY requested.n

-- fragment: runs_under_way
-- These tables have no index on states alone, so the statement looks them up DAG by DAG.
SELECT run.id, run.state FROM dag
CROSS JOIN LATERAL (
    SELECT dag_run.id, dag_run.state FROM dag_run
    WHERE dag_run.dag_id = dag.dag_id AND dag_run.state IN ('queued', 'running')
) AS run

-- name: ended_runs
-- Of the runs with the ids $1: those that have ended or are gone. It is what a look costs that thousands wait for, so it
-- compares counts first, and says nothing of the runs but their ids.
WITH known AS MATERIALIZED (
    SELECT dag_run.id, dag_run.state FROM dag_run WHERE dag_run.id = ANY ($1::bigint[])
)
SELECT known.id::bigint AS id FROM known WHERE known.state IN ('success', 'failed')
UNION ALL (
    SELECT asked.id FROM unnest($1::bigint[]) AS asked (id)
    WHERE (SELECT count(*) FROM known) < cardinality($1::bigint[])
    EXCEPT
    SELECT known.id FROM known
)

-- name: changed_runs
-- One look at all that is watched. The first columns say when it was: the newest id, the oldest transaction that was not
-- over, and the first one that had not begun. The others are of runs whose state is not the one that is known, or that are
-- gone: of those with the ids $1 and the states $2, and of those that are under way or have an id larger than $3.
WITH known AS (
    SELECT known.id, known.state FROM unnest($1::bigint[], $2::text[]) AS known (id, state)
), seen AS (
    SELECT under_way.id::bigint AS id, under_way.state FROM (
        {runs_under_way}
        LIMIT 50000
    ) AS under_way
    UNION
    SELECT newer.id::bigint, newer.state FROM (
        SELECT dag_run.id, dag_run.state FROM dag_run WHERE dag_run.id > $3::bigint ORDER BY dag_run.id LIMIT 10001
    ) AS newer
), doubtful AS (
    SELECT coalesce(seen.id, known.id) AS id, known.id IS NULL AS is_new, known.state
    FROM seen FULL JOIN known ON known.id = seen.id
    WHERE seen.id IS NULL OR known.id IS NULL OR seen.state IS DISTINCT FROM known.state
)
SELECT moment.*, changed.*
FROM (
    SELECT txid_snapshot_xmin(snapshot) AS oldest_transaction, txid_snapshot_xmax(snapshot) AS next_transaction,
        (SELECT max(dag_run.id) FROM dag_run) AS newest
    FROM txid_current_snapshot() AS snapshot
) AS moment
LEFT JOIN (
    SELECT doubtful.id, run.id IS NULL AS is_gone, coalesce(run.dag_id, '') AS dag_id, coalesce(run.run_id, '') AS run_id,
        run.state, {iso_date(run.{run_date})} AS execution_date, coalesce(d.root_dag_id, run.dag_id, '') AS root_dag_id
    FROM doubtful
    LEFT JOIN LATERAL (
        SELECT dag_run.id, dag_run.dag_id, dag_run.run_id, dag_run.state, dag_run.{run_date}
        FROM dag_run WHERE dag_run.id = doubtful.id
        LIMIT 1
    ) AS run ON true
    LEFT JOIN LATERAL (
        SELECT
            {root_of_subdag}
            AS root_dag_id
        FROM dag WHERE dag.dag_id = run.dag_id
        LIMIT 1
    ) AS d ON true
    WHERE run.id IS NULL OR doubtful.is_new OR run.state IS DISTINCT FROM doubtful.state
) AS changed ON true
ORDER BY changed.id

-- name: find_task_instances
{instances_of_runs({run_date}, timestamptz)}

-- name: find_task_instances_by_id
{instances_of_runs(run_id, text)}

-- fragment: run_start(run)
{run}.{run_date}

-- fragment: last_states
'success', 'failed', 'skipped', 'upstream_failed', 'removed'

-- fragment: waiting_instance_of(column, type)
-- A run with an instance of its task $3; of a mapped task it is the first one that has not ended.
SELECT r.id, r.state AS run_state, ti.state, ti.pool, ti.pool_slots
FROM dag AS d
JOIN dag_run AS r ON r.dag_id = d.dag_id AND r.{column} = $2::{type}
LEFT JOIN LATERAL (
    SELECT one.state, one.pool, one.pool_slots FROM task_instance AS one
    WHERE one.task_id = $3::text AND {same_run(one, r)}
    ORDER BY coalesce(one.state, '') IN ({last_states}), one.map_index LIMIT 1  -- if task_instance.map_index
) AS ti ON true
WHERE d.dag_id = $1::text

-- name: waiting_instance
{waiting_instance_of({run_date}, timestamptz)}

-- name: waiting_instance_by_id
{waiting_instance_of(run_id, text)}

-- name: waiting_facts
-- Everything that tasks of the run $1 may wait for: the DAG, the run and those before it, the pools $2 and those of its
-- tasks that wait, the upstream tasks $3, the limits of the tasks $4, the past of the tasks $5. Each is found with an index,
-- and of many rows only 10,000 are read.
SELECT d.is_paused, r.state AS run_state, {run_start(r)} > now() AS is_early, {second({run_start(r)})} AS starts,
    {has_begun(r)} AS begun,
    d.max_active_runs, d.max_active_tasks,  -- if dag.max_active_runs
    NULL::integer AS max_active_runs, NULL::integer AS max_active_tasks,  -- unless dag.max_active_runs
    (
        SELECT count(*) FROM (
            SELECT other.dag_id, other.{run_date}, other.state FROM dag_run AS other
            WHERE other.dag_id = r.dag_id AND other.state = 'running' LIMIT 10000
        ) AS other
        WHERE {has_begun(other)}
    ) AS active_runs,
    (
        SELECT json_agg(json_build_array(named.pool, p.slots, used.slots))::text
        FROM (
            SELECT unnest($2::text[]) AS pool
            UNION
            SELECT pool FROM (
                SELECT one.pool FROM task_instance AS one
                WHERE {same_run(one, r)}
                    AND coalesce(one.state, '') IN ('', 'scheduled', 'up_for_retry', 'up_for_reschedule')
                LIMIT 10000
            ) AS waiting
        ) AS named
        LEFT JOIN slot_pool AS p ON p.pool = named.pool
        CROSS JOIN LATERAL (
            SELECT coalesce(sum(coalesce(one.pool_slots, 1)), 0) AS slots FROM (
                SELECT pool_slots FROM task_instance
                WHERE pool = named.pool AND state IN ('queued', 'running') LIMIT 10000
            ) AS one
        ) AS used
        WHERE named.pool IS NOT NULL
    ) AS pools,
    (
        SELECT count(*) FROM (
            SELECT FROM task_instance WHERE dag_id = r.dag_id AND state IN ('queued', 'running') LIMIT 10000
        ) AS one
    ) AS dag_tasks,
    (
        SELECT json_object_agg(wanted.task_id, same.number)::text
        FROM unnest($4::text[]) AS wanted (task_id)
        CROSS JOIN LATERAL (
            SELECT count(*) AS number FROM (
                SELECT FROM task_instance
                WHERE dag_id = r.dag_id AND task_id = wanted.task_id AND state IN ('queued', 'running') LIMIT 10000
            ) AS one
        ) AS same
    ) AS same_tasks,
    -- Only a standalone database has a limit of all tasks.
    (SELECT count(*) FROM (SELECT FROM task_instance WHERE state IN ('queued', 'running') LIMIT 10000) AS one) AS tasks,  -- if windsock_schema.version
    0 AS tasks,  -- unless windsock_schema.version
    ARRAY (
        SELECT wanted.task_id FROM unnest($3::text[]) AS wanted (task_id)
        WHERE EXISTS (
            SELECT FROM task_instance AS above
            WHERE above.task_id = wanted.task_id AND {same_run(above, r)}
                AND coalesce(above.state, '') NOT IN ({last_states})
        )
        ORDER BY 1
    ) AS unfinished,
    before.state AS run_before, {second(before.{run_date})} AS before,
    (
        SELECT json_object_agg(wanted.task_id, past.state)::text
        FROM unnest($5::text[]) AS wanted (task_id)
        CROSS JOIN LATERAL (
            SELECT one.state FROM task_instance AS one
            WHERE one.task_id = wanted.task_id AND {same_run(one, before)}
            ORDER BY one.map_index LIMIT 1  -- if task_instance.map_index
        ) AS past
    ) AS states_before
FROM dag_run AS r
JOIN dag AS d ON d.dag_id = r.dag_id
LEFT JOIN LATERAL (
    SELECT earlier.dag_id, earlier.run_id, earlier.{run_date}, earlier.state FROM dag_run AS earlier
    WHERE earlier.dag_id = r.dag_id AND earlier.{run_date} < r.{run_date}
    ORDER BY earlier.{run_date} DESC LIMIT 1
) AS before ON true
WHERE r.id = $1::bigint

-- fragment: dag_ids_of_runs
-- Walks the index from DAG to DAG: the cost grows with the DAGs, not with the runs.
dag_ids AS (
    SELECT min(dag_id) AS dag_id FROM dag_run
    UNION ALL
    SELECT (SELECT min(dag_run.dag_id) FROM dag_run WHERE dag_run.dag_id > dag_ids.dag_id)
    FROM dag_ids WHERE dag_ids.dag_id IS NOT NULL
)

-- fragment: given_dag_ids
dag_ids AS (
    SELECT DISTINCT unnest($3::text[]) AS dag_id
)

-- fragment: list_of_latest
'{"items":[' || coalesce(string_agg(row_to_json(run)::text, ',' ORDER BY newest.dag_id COLLATE "C"), '') || ']}'

-- fragment: latest_run
-- dag_run_url: $1 is its path up to the dag_id, $2 what comes between the dag_id and the run.
SELECT
    newest.dag_id,
    $1::text || {dag_in_url(newest.dag_id)} || $2::text || {run_in_url(newest)} AS dag_run_url,
    {iso_date(newest.{run_date})} AS execution_date,
    coalesce({iso_date(newest.start_date)}, '') AS start_date

-- fragment: latest_run_with_state
SELECT
    newest.dag_id,
    $1::text || {dag_in_url(newest.dag_id)} || $2::text || {run_in_url(newest)} AS dag_run_url,
    {shown_date(newest.end_date)} AS end_date,
    {shown_date(newest.{run_date})} AS execution_date,
    newest.id,
    newest.run_id,
    {shown_date(newest.start_date)} AS start_date,
    newest.state

-- fragment: newest_runs(shown)
-- {shown} is the name of the fragment that says what is shown of a run.
SELECT {list_of_latest}
FROM dag_ids
CROSS JOIN LATERAL (
    SELECT dag_run.dag_id, dag_run.execution_date, dag_run.start_date, dag_run.id, dag_run.run_id, dag_run.state,
        dag_run.end_date
    FROM dag_run
    WHERE dag_run.dag_id = dag_ids.dag_id AND dag_run.execution_date IS NOT NULL
    ORDER BY dag_run.execution_date DESC LIMIT 1
) AS newest
CROSS JOIN LATERAL (
    {{shown}}
) AS run

-- name: latest_runs
-- The newest run of each DAG.
WITH RECURSIVE
{dag_ids_of_runs}
{newest_runs(latest_run)}

-- name: readable.latest_runs
-- The newest run of each DAG with one of the ids $3.
WITH
{given_dag_ids}
{newest_runs(latest_run)}

-- name: latest_runs_with_states
WITH RECURSIVE
{dag_ids_of_runs}
{newest_runs(latest_run_with_state)}

-- name: readable.latest_runs_with_states
WITH
{given_dag_ids}
{newest_runs(latest_run_with_state)}

-- name: lock_dag
-- The DAG that is to be deleted, with the ids of its sub-DAGs.
SELECT d.is_subdag, ARRAY[d.fileloc]::text[] AS filenames, NULL::text AS bundle_name,
    ARRAY (SELECT sub.dag_id FROM dag AS sub WHERE sub.is_subdag AND sub.root_dag_id = d.dag_id) AS subdag_ids
FROM dag AS d WHERE d.dag_id = $1 FOR UPDATE

-- name: wait_for_locks
-- A scheduler may lock a DAG's row for seconds; a change of one DAG waits for it, but a batch for many callers does not.
SET LOCAL lock_timeout = '15s'

-- name: pause_dag
UPDATE dag SET is_paused = $2
WHERE dag_id = $1
    OR (root_dag_id = $1 AND is_subdag)  -- if dag.is_subdag
RETURNING dag_id

-- name: pools
SELECT '[' || coalesce(string_agg(row_to_json(one)::text, ',' ORDER BY one.id), '') || ']'
FROM (SELECT description, id, pool, slots FROM slot_pool) AS one

-- fragment: slots_in_use(state)
(
    SELECT coalesce(sum(coalesce(one.pool_slots, 1)), 0)
    FROM (
        SELECT pool_slots FROM task_instance WHERE task_instance.pool = p.pool AND task_instance.state = {state} LIMIT 10000
    ) AS one
)

-- name: pools_with_use
-- With $1 also how many slots are in use or wanted: of the tasks in each state at most 10,000 are counted. A pool of -1 slots has no end.
SELECT '[' || coalesce(string_agg(row_to_json(shown)::text, ',' ORDER BY shown.id), '') || ']'
FROM slot_pool AS p
CROSS JOIN LATERAL (
    SELECT
        {slots_in_use('running')}
        AS running,
        {slots_in_use('queued')}
        AS queued,
        {slots_in_use('deferred')}
        AS deferred,
        {slots_in_use('scheduled')}
        AS scheduled
    WHERE $1::boolean
    UNION ALL
    SELECT NULL, NULL, NULL, NULL WHERE NOT $1::boolean
) AS used
CROSS JOIN LATERAL (
    SELECT
        used.deferred AS deferred_slots,  -- if slot_pool.include_deferred
        NULL::bigint AS deferred_slots,  -- unless slot_pool.include_deferred
        p.description, p.id,
        CASE WHEN p.slots >= 0 THEN p.slots - used.running - used.queued
            - CASE WHEN p.include_deferred THEN used.deferred ELSE 0 END  -- if slot_pool.include_deferred
        END AS open_slots,
        p.pool, used.queued AS queued_slots, used.running AS running_slots, used.scheduled AS scheduled_slots, p.slots
) AS shown

-- name: versions
-- Of Postgres, and of the schema of a standalone database.
SELECT split_part(current_setting('server_version'), ' ', 1) AS postgres,
    (SELECT max(version)::text FROM windsock_schema) AS schema  -- if windsock_schema.version
    NULL::text AS schema  -- unless windsock_schema.version

-- name: find_pools
SELECT p.id, p.pool, p.slots, p.description
FROM unnest(ARRAY(SELECT json_array_elements_text($1))) WITH ORDINALITY AS requested (name, n)
LEFT JOIN LATERAL (SELECT id, pool, slots, description FROM slot_pool WHERE slot_pool.pool = requested.name) AS p ON true
ORDER BY requested.n

-- fragment: new_pool
INSERT INTO slot_pool (
    include_deferred,  -- if slot_pool.include_deferred
    pool, slots, description)
VALUES (
    false,  -- if slot_pool.include_deferred
    $1, $2, $3)

-- name: set_pool
{new_pool}
ON CONFLICT (pool) DO UPDATE SET slots = excluded.slots, description = excluded.description
RETURNING id, pool, slots, description

-- name: create_pool
-- Nothing if there is such a pool.
{new_pool}
ON CONFLICT (pool) DO NOTHING
RETURNING id, pool, slots, description

-- name: change_pool
-- Nothing if there is no such pool.
UPDATE slot_pool SET slots = $2, description = $3 WHERE pool = $1 RETURNING id, pool, slots, description

-- name: delete_pool
DELETE FROM slot_pool WHERE pool = $1 RETURNING id, pool, slots, description

-- name: latest_scheduler_heartbeat
-- The newest heartbeat of a scheduler that runs, if there is one: a scheduler that has just stopped may have a later one.
-- Only dates that Python can represent.
SELECT latest_heartbeat, state = 'running' AS running FROM job
WHERE job_type = 'SchedulerJob'
    AND (latest_heartbeat IS NULL OR {fits_python(latest_heartbeat)})
ORDER BY (state = 'running' AND latest_heartbeat > now() - interval '30 seconds') DESC, latest_heartbeat DESC NULLS LAST
LIMIT 1

-- name: bound_counting
-- For the transaction that counts for the metrics: it finds what it reads with an index, or it gives up.
SELECT set_config('enable_seqscan', 'off', true), set_config('statement_timeout', '2s', true)

-- name: unfinished_tasks
-- How many tasks are in each state that is not final. For each state at most 10,000 are counted.
SELECT wanted.state, counted.number
FROM unnest(ARRAY['scheduled', 'queued', 'running', 'restarting', 'deferred', 'awaiting_input', 'up_for_retry',
    'up_for_reschedule']) AS wanted (state)
CROSS JOIN LATERAL (
    SELECT count(*) AS number
    FROM (SELECT FROM task_instance WHERE task_instance.state = wanted.state LIMIT 10000) AS found
) AS counted

-- name: oldest_queued
-- For how many seconds the oldest queued task has been queued, 0 if there is none; at most 10,000 are read.
-- Somebody may have written an infinite date.
SELECT coalesce(extract(epoch FROM now() - min(queued_dttm)), 0)::float8
FROM (SELECT queued_dttm FROM task_instance WHERE state = 'queued' AND isfinite(queued_dttm) LIMIT 10000) AS found

-- name: count_import_errors
SELECT count(*) FROM (SELECT FROM import_error LIMIT 10000) AS found

-- fragment: fields_of_import_error(stacktrace)
-- If an error is very long, its beginning is enough.
SELECT
        bundle_name,  -- if import_error.bundle_name
        NULL::text AS bundle_name,  -- unless import_error.bundle_name
        filename,
        id,
        left({stacktrace}, 20000) AS stacktrace,
        {iso_date("timestamp")} AS "timestamp"

-- fragment: list_of_import_errors(order)
-- Files that could not be loaded, as JSON objects.
SELECT row_to_json(one)::text
FROM import_error
CROSS JOIN LATERAL (
    {fields_of_import_error(stacktrace)}
) AS one
ORDER BY import_error.filename COLLATE "C" {order}, import_error.id
LIMIT $1 OFFSET $2

-- fragment: files_of_dags
SELECT dag.dag_id, dag.fileloc AS filename FROM dag

-- fragment: files_with(dag_ids)
-- The files that have one of these DAGs, and whether they have no others.
files AS (
    SELECT
        of_dag.bundle_name AS bundle,  -- if import_error.bundle_name
        of_dag.filename AS file, bool_and(given.dag_id IS NOT NULL) AS have_no_others
    FROM (
        {files_of_dags}
    ) AS of_dag
    LEFT JOIN (SELECT DISTINCT unnest({dag_ids}::text[]) AS dag_id) AS given ON given.dag_id = of_dag.dag_id
    GROUP BY
        of_dag.bundle_name,  -- if import_error.bundle_name
        of_dag.filename
    HAVING bool_or(given.dag_id IS NOT NULL)
)

-- fragment: errors_of_files
FROM import_error JOIN files ON files.file = import_error.filename
    AND files.bundle IS NOT DISTINCT FROM import_error.bundle_name  -- if import_error.bundle_name

-- fragment: list_of_readable_import_errors(order)
-- Those of files with one of the DAGs $3. If a file has others too, $4 is in place of the error.
WITH
{files_with($3)}
SELECT row_to_json(one)::text
{errors_of_files}
CROSS JOIN LATERAL (
    SELECT CASE WHEN files.have_no_others THEN import_error.stacktrace ELSE $4::text END AS stacktrace
) AS shown
CROSS JOIN LATERAL (
    {fields_of_import_error(shown.stacktrace)}
) AS one
ORDER BY import_error.filename COLLATE "C" {order}, import_error.id
LIMIT $1 OFFSET $2

-- name: import_errors
{list_of_import_errors(ASC)}

-- name: import_errors_descending
{list_of_import_errors(DESC)}

-- name: readable.import_errors
{list_of_readable_import_errors(ASC)}

-- name: readable.import_errors_descending
{list_of_readable_import_errors(DESC)}

-- name: readable.count_all_import_errors
WITH
{files_with($1)}
SELECT count(*)
{errors_of_files}

-- name: count_all_import_errors
SELECT count(*) FROM import_error

-- name: latest_import_errors
-- For requests for a DAG that does not exist.
SELECT filename, left(stacktrace, 4000) AS stacktrace FROM import_error ORDER BY id DESC LIMIT 200
