-- What is told of one run, of its task instances and of one DAG, the same for every Airflow.

-- fragment: shown_date(date)
-- As JSON has it; NULL for what is no date to Python.
CASE WHEN {fits_python({date})} THEN {iso_date({date})} END

-- fragment: run_with_dag_of(column, type)
-- The run $2 of the DAG $1, with what must be known of the DAG; nothing if the DAG has no row, no `id` if there is no such
-- run.
SELECT d.root_dag_id, s.version, {any_serialized} AS any_serialized, r.*
FROM (
    SELECT
        dag.bundle_version,  -- if dag.bundle_version
        {root_dag_id} AS root_dag_id
    FROM dag WHERE dag.dag_id = $1::text
) AS d
LEFT JOIN LATERAL (
    {serialized_version(d.root_dag_id, d.bundle_version)}
) AS s ON true
LEFT JOIN LATERAL (
    SELECT dag_run.id, dag_run.run_id, dag_run.state, {shown_date(dag_run.{run_date})} AS execution_date
    FROM dag_run WHERE dag_run.dag_id = $1::text AND dag_run.{column} = $2::{type}
) AS r ON true

-- name: run_with_dag
{run_with_dag_of({run_date}, timestamptz)}

-- name: run_with_dag_by_id
{run_with_dag_of(run_id, text)}

-- fragment: instances_of_run
-- The task instances of the run $1. While it has none, because nobody has made them yet, they are those planned in the JSON
-- array $2.
WITH run AS (
    SELECT dag_run.dag_id, dag_run.run_id, dag_run.{run_date} FROM dag_run WHERE dag_run.id = $1::bigint
), instances AS (
    SELECT
        map_index,  -- if task_instance.map_index
        -1 AS map_index,  -- unless task_instance.map_index
        ti.task_id, ti.duration, ti.end_date, ti.hostname, ti.max_tries, ti.operator, ti.pid, ti.pool, ti.pool_slots,
        ti.priority_weight, ti.queue, ti.queued_dttm, ti.start_date, ti.state, ti.try_number, ti.unixname
    FROM run JOIN task_instance AS ti ON {same_run(ti, run)}
    UNION ALL
    SELECT -1, p.task_id, NULL, NULL, '', p.max_tries, p.operator, NULL, p.pool, p.pool_slots, p.priority_weight,
        p.queue, NULL, NULL, NULL, 0, NULL
    FROM run CROSS JOIN json_to_recordset($2::json) AS p (
        task_id text, max_tries integer, operator text, pool text, pool_slots integer, priority_weight integer, queue text,
        first_date timestamptz, last_date timestamptz)
    WHERE NOT EXISTS (SELECT FROM task_instance AS made WHERE {same_run(made, run)})
        AND coalesce(p.first_date <= run.{run_date}, true) AND coalesce(run.{run_date} <= p.last_date, true)
)

-- fragment: list_of_instances(order)
{instances_of_run}
SELECT task_id, map_index, duration, hostname, max_tries, operator, pid, pool, pool_slots, priority_weight, queue, state,
    try_number, unixname, {shown_date(end_date)} AS end_date, {shown_date(queued_dttm)} AS queued_dttm,
    {shown_date(start_date)} AS start_date
FROM instances
ORDER BY task_id COLLATE "C" {order}, map_index {order}
LIMIT $3 OFFSET $4

-- name: run_instances
{list_of_instances(ASC)}

-- name: run_instances_descending
{list_of_instances(DESC)}

-- name: count_run_instances
{instances_of_run}
SELECT count(*) FROM instances

-- fragment: conf_in_bytes(run)
-- A pickle.
{run}.conf

-- fragment: run_type_of(run)
-- Airflow 1.10 does not tell the type of a run.
NULL::text

-- fragment: details_of_run(column, type)
-- The run $2 of the DAG $1; nothing if the DAG has no row, no `id` if there is no such run. $3 is the start of dag_run_url. A
-- conf of more than $4 bytes is not read.
SELECT {is_serialized(d.root_dag_id)} OR NOT {any_serialized} AS serialized, r.*
FROM (SELECT {root_dag_id} AS root_dag_id FROM dag WHERE dag.dag_id = $1::text) AS d
LEFT JOIN LATERAL (
    SELECT
        external_trigger,  -- if dag_run.external_trigger
        NULL::boolean AS external_trigger,  -- unless dag_run.external_trigger
        {shown_date(data_interval_start)} AS data_interval_start,  -- if dag_run.data_interval_start
        {shown_date(data_interval_end)} AS data_interval_end,  -- if dag_run.data_interval_start
        {shown_date(queued_at)} AS queued_at, run_type,  -- if dag_run.run_type
        NULL::text AS data_interval_start, NULL::text AS data_interval_end,  -- unless dag_run.data_interval_start
        NULL::text AS queued_at, {run_type_of(run)} AS run_type,  -- unless dag_run.run_type
        (SELECT content FROM dag_run_note WHERE dag_run_note.dag_run_id = run.id) AS note,  -- if dag_run_note.content
        NULL::text AS note,  -- unless dag_run_note.content
        CASE WHEN octet_length({conf_in_bytes(run)}) <= $4::integer THEN {conf_in_bytes(run)} END AS conf,
        run.conf IS NOT NULL AS has_conf,
        run.dag_id,
        $3::text || {run_in_url(run)} AS dag_run_url,
        {shown_date(run.end_date)} AS end_date,
        {shown_date(run.{run_date})} AS execution_date,
        run.id, run.run_id,
        {shown_date(run.start_date)} AS start_date,
        run.state,
        (
            SELECT json_object_agg(counted.state, counted.number)::text
            FROM (
                SELECT coalesce(one.state, 'none') AS state, count(*) AS number
                FROM task_instance AS one WHERE {same_run(one, run)} GROUP BY 1
            ) AS counted
        ) AS task_states
    FROM dag_run AS run WHERE run.dag_id = $1::text AND run.{column} = $2::{type}
) AS r ON true

-- name: run_details
{details_of_run({run_date}, timestamptz)}

-- name: run_details_by_id
{details_of_run(run_id, text)}

-- fragment: unfinished_of(state)
-- Up to 1,000 runs in that state. These tables have no index on states alone, so each DAG is looked up.
SELECT run.* FROM dag
CROSS JOIN LATERAL (
    SELECT dag_run.id, dag_run.dag_id, dag_run.run_id, dag_run.{run_date}, dag_run.state, dag_run.start_date,
        dag_run.end_date
    FROM dag_run WHERE dag_run.dag_id = dag.dag_id AND dag_run.state = {state} LIMIT 1000
) AS run
WHERE $3::text[] IS NULL OR dag.dag_id = ANY ($3)
LIMIT 1000

-- name: list_unfinished_runs
-- The runs that are queued or running of the DAGs $3, or of all, in the order in which they began; at most 1,000.
SELECT coalesce('[' || string_agg(row_to_json(run)::text, ',' ORDER BY newest.start_date, newest.id) || ']', '[]')
FROM (
    SELECT * FROM (
        (
            {unfinished_of('queued')}
        )
        UNION ALL
        (
            {unfinished_of('running')}
        )
    ) AS found
    ORDER BY found.start_date, found.id LIMIT 1000
) AS newest
CROSS JOIN LATERAL (
    {latest_run_with_state}
) AS run

-- fragment: is_error_of(dag)
import_error.filename = {dag}.fileloc

-- name: dag_details
-- Of the runs in each state at most 100,000 are counted. If an import error is very long, its beginning is enough.
SELECT
    dag.dag_id, dag.description, dag.fileloc,
    (
        SELECT left(import_error.stacktrace, 20000)
        FROM import_error
        WHERE
            {is_error_of(dag)}
        ORDER BY import_error.id DESC LIMIT 1
    ) AS import_error,
    dag.is_active,  -- if dag.is_active
    NOT coalesce(dag.is_stale, false) AS is_active,  -- if dag.is_stale
    dag.is_paused,
    coalesce(dag.is_subdag, false) AS is_subdag,  -- if dag.is_subdag
    false AS is_subdag,  -- unless dag.is_subdag
    {shown_date(dag.last_parsed_time)} AS last_parsed_time,  -- if dag.last_parsed_time
    {shown_date(dag.last_scheduler_run)} AS last_parsed_time,  -- unless dag.last_parsed_time
    dag.max_active_runs, dag.max_active_tasks,  -- if dag.max_active_runs
    NULL::integer AS max_active_runs, NULL::integer AS max_active_tasks,  -- unless dag.max_active_runs
    {shown_date(dag.next_dagrun)} AS next_dagrun,  -- if dag.next_dagrun
    {shown_date(dag.next_dagrun_create_after)} AS next_dagrun_create_after,  -- if dag.next_dagrun
    {shown_date(dag.next_dagrun_data_interval_start)} AS next_dagrun_data_interval_start,  -- if dag.next_dagrun
    {shown_date(dag.next_dagrun_data_interval_end)} AS next_dagrun_data_interval_end,  -- if dag.next_dagrun
    NULL::text AS next_dagrun, NULL::text AS next_dagrun_create_after,  -- unless dag.next_dagrun
    NULL::text AS next_dagrun_data_interval_start, NULL::text AS next_dagrun_data_interval_end,  -- unless dag.next_dagrun
    dag.owners,
    dag.root_dag_id,  -- if dag.root_dag_id
    NULL::text AS root_dag_id,  -- unless dag.root_dag_id
    (
        SELECT json_object_agg(wanted.state, counted.number)::text
        FROM unnest(ARRAY['failed', 'queued', 'running', 'success']) AS wanted (state)
        CROSS JOIN LATERAL (
            SELECT count(*) AS number
            FROM (
                SELECT FROM dag_run WHERE dag_run.dag_id = $1::text AND dag_run.state = wanted.state LIMIT 100000
            ) AS found
        ) AS counted
    ) AS run_states,
    dag.timetable_description,  -- if dag.timetable_description
    NULL::text AS timetable_description,  -- unless dag.timetable_description
    {schedule_interval}
    , ARRAY (SELECT name FROM dag_tag WHERE dag_tag.dag_id = dag.dag_id ORDER BY name) AS tags
FROM dag WHERE dag.dag_id = $1::text

-- fragment: is_by_schedule(run)
-- Whether the schedule has made it, as Airflow 1.10 finds out.
(NOT coalesce({run}.external_trigger, false) OR {run}.run_id LIKE 'scheduled\_\_%')

-- fragment: is_schedule_open
-- Whether the next run of a schedule is not in the database yet; Airflow 1.10 never writes it there.
true

-- name: schedule_position
-- Where the schedule of a DAG stands: its next run, and the newest run that it has made.
SELECT now() AS now,
    {python_date(dag.next_dagrun_data_interval_start)} AS next_start,  -- if dag.next_dagrun
    {python_date(dag.next_dagrun_data_interval_end)} AS next_end,  -- if dag.next_dagrun
    NULL::timestamptz AS next_start, NULL::timestamptz AS next_end,  -- unless dag.next_dagrun
    {is_schedule_open} AS is_open,
    {python_date(last.starts)} AS last_start, {python_date(last.ends)} AS last_end
FROM dag
LEFT JOIN LATERAL (
    SELECT run.{run_date} AS starts,
        run.data_interval_end AS ends  -- if dag_run.data_interval_start
        NULL::timestamptz AS ends  -- unless dag_run.data_interval_start
    FROM dag_run AS run WHERE run.dag_id = dag.dag_id AND {is_by_schedule(run)}
    ORDER BY run.{run_date} DESC LIMIT 1
) AS last ON true
WHERE dag.dag_id = $1::text
