-- The statements of the scheduler. Every change of a task's state names the state before, so that it never overwrites what
-- happened meanwhile. A change of tasks takes a shared lock on the DAG's row first, and deleting a DAG locks that row before
-- anything else, so the two wait for each other in one order.
--
-- Postgres knows dates that Python does not. No run has them, and a row with one must not keep the others from being read.

-- name: start_job
INSERT INTO job (state, job_type, start_date, latest_heartbeat, executor_class, hostname, unixname)
VALUES ('running', 'SchedulerJob', now(), now(), 'LocalExecutor', $1, $2)
RETURNING id

-- name: heartbeat
-- The heartbeat after a round that did everything that was due: a scheduler without it makes no progress.
UPDATE job SET latest_heartbeat = now(), state = 'running', end_date = NULL WHERE id = $1

-- name: end_job
UPDATE job SET state = $2, end_date = now(), latest_heartbeat = now() WHERE id = $1

-- name: lock_job
-- The listening connection holds this lock as long as the scheduler lives: meanwhile nobody takes its tasks for zombies.
SELECT pg_try_advisory_lock($1::int, $2::int)

-- name: end_unread
-- Ends sessions of our own that hold locks while their process is suspended: it does not read an answer, or does not run
-- the statement that it has prepared. No time limit of Postgres applies to that.
SELECT pg_terminate_backend(stuck.pid) FROM pg_stat_activity AS stuck
WHERE stuck.datname = current_database() AND stuck.usename = current_user
    AND stuck.application_name = current_setting('application_name')
    AND (stuck.wait_event = 'ClientWrite' OR (stuck.wait_event = 'ClientRead' AND stuck.state = 'active'))
    AND stuck.state_change < now() - make_interval(secs => $1)
    AND (
        stuck.backend_xid IS NOT NULL
        OR EXISTS (SELECT FROM pg_locks AS held WHERE held.pid = stuck.pid AND held.locktype = 'advisory')
    )

-- name: allow_rest
-- This transaction waits for processes to end.
SELECT set_config('idle_in_transaction_session_timeout', '30s', true)

-- name: analyze
-- Autovacuum comes once a minute; until then the planner takes a table that was just filled for an empty one.
ANALYZE dag_run, task_instance

-- fragment: is_backfill(run)
-- Whether it was made by a backfill: these have a place in the queue of their own, so that a long one holds up no schedule.
coalesce({run}.run_id LIKE 'backfill\_\_%', false)

-- name: sweep
-- Every run that has begun, and the first of those that wait, DAG by DAG.
SELECT id
FROM (
    SELECT id, begun, row_number() OVER (PARTITION BY dag_id, begun, is_backfill ORDER BY execution_date) AS place
    FROM (
        SELECT id, dag_id, execution_date, {is_backfill(r)} AS is_backfill, EXISTS (
            SELECT FROM task_instance AS ti WHERE {same_run(ti, r)}
        ) AS begun
        FROM dag_run AS r
        WHERE state = 'running' AND execution_date <= now()
    ) AS running
) AS placed
WHERE begun OR place <= $1::int
ORDER BY id

-- name: waiting_runs
-- The first runs of these DAGs that have not begun.
SELECT next.id
FROM unnest($1::text[]) AS wanted (dag_id)
CROSS JOIN (VALUES (false), (true)) AS kind (is_backfill)
CROSS JOIN LATERAL (
    SELECT r.id FROM dag_run AS r
    WHERE r.dag_id = wanted.dag_id AND r.state = 'running' AND r.execution_date <= now() AND NOT EXISTS (
        SELECT FROM task_instance AS ti WHERE {same_run(ti, r)}
    ) AND {is_backfill(r)} = kind.is_backfill
    ORDER BY r.execution_date LIMIT $2::int
) AS next

-- name: begun_runs
-- The runs of these DAGs that are under way.
SELECT r.id, r.dag_id, {is_backfill(r)} AS is_backfill FROM dag_run AS r
WHERE r.dag_id = ANY ($1::text[]) AND r.state = 'running' AND EXISTS (
    SELECT FROM task_instance AS ti WHERE {same_run(ti, r)}
)

-- name: lock_runs
-- Runs to look at, except those that another scheduler is looking at and those that are being deleted.
SELECT r.id, r.dag_id, r.run_id, r.execution_date, r.start_date, coalesce(d.is_paused, false) AS is_paused, now() AS now,
    {is_backfill(r)} AS is_backfill
FROM dag_run AS r JOIN dag AS d ON d.dag_id = r.dag_id
WHERE r.id = ANY ($1::int[]) AND r.state = 'running' AND r.execution_date <= now()
ORDER BY r.execution_date, r.id
FOR KEY SHARE OF d SKIP LOCKED
FOR UPDATE OF r SKIP LOCKED

-- name: busy_runs
-- Those runs left out by `lock_runs` that must still be looked at.
SELECT r.id FROM dag_run AS r JOIN dag AS d ON d.dag_id = r.dag_id
WHERE r.id = ANY ($1::int[]) AND r.state = 'running' AND r.execution_date <= now()

-- name: versions
-- Which version of each DAG is stored now.
SELECT dag_id, xmin::text AS version FROM serialized_dag WHERE dag_id = ANY ($1::text[])

-- name: serialized
-- `data` is NULL where it is longer than $2 characters.
SELECT dag_id, xmin::text AS version,
    {python_date(last_updated)} AS last_updated,
    CASE WHEN length(data::text) <= $2::int THEN data::text END AS data
FROM serialized_dag WHERE dag_id = ANY ($1::text[])

-- name: instances
SELECT r.id AS run, ti.task_id, ti.state, ti.try_number, ti.end_date
FROM dag_run AS r
JOIN task_instance AS ti ON {same_run(ti, r)}
WHERE r.id = ANY ($1::int[])

-- name: states_before
-- The states of the tasks of the run before each of these; a run without tasks counts too (as a row of NULLs). For runs
-- that $2 has too, only runs of the schedule and of backfills count.
SELECT r.id AS run, ti.task_id, ti.state, before.state AS run_state
FROM dag_run AS r
CROSS JOIN LATERAL (
    SELECT earlier.dag_id, earlier.execution_date, earlier.state FROM dag_run AS earlier
    WHERE earlier.dag_id = r.dag_id AND earlier.execution_date < r.execution_date
        AND (earlier.data_interval_end IS NOT NULL OR {is_backfill(earlier)} OR r.id <> ALL ($2::int[]))
    ORDER BY earlier.execution_date DESC LIMIT 1
) AS before
LEFT JOIN task_instance AS ti ON ti.dag_id = before.dag_id AND ti.execution_date = before.execution_date
WHERE r.id = ANY ($1::int[])

-- name: lock_admission
-- Only one scheduler at a time begins runs of a DAG, so that max_active_runs holds.
SELECT pg_advisory_xact_lock($1::int, hashtext(dag_id))
FROM (SELECT DISTINCT dag_id FROM unnest($2::text[]) AS wanted (dag_id) ORDER BY dag_id) AS wanted

-- fragment: tells(channel, lock)
-- Says what has become of each task in `changed`, if anybody listens: those who do share the lock.
CASE WHEN (SELECT NOT pg_try_advisory_xact_lock({lock}::int, 0)) THEN (
    SELECT pg_notify({channel}, row_to_json(one)::text)::text
    FROM dag_run AS r
    CROSS JOIN LATERAL (
        SELECT changed.dag_id, {iso_date(changed.execution_date)} AS execution_date, coalesce(r.run_id, '') AS run_id,
            changed.state, changed.task_id, coalesce(changed.try_number, 0) AS try_number
    ) AS one
    WHERE {same_run(r, changed)}
) END AS told

-- name: create_instances
-- The tasks of a run that begins, or that its DAG has got since, with their first states.
WITH changed AS (
INSERT INTO task_instance (dag_id, execution_date, task_id, state, try_number, max_tries, hostname, unixname, pool,
    pool_slots, queue, priority_weight, operator, executor_config, start_date, end_date, duration)
SELECT dag_id, execution_date, task_id, new.state,
    CASE WHEN new.state = 'success' THEN 1 ELSE 0 END, max_tries, '', $10, pool, pool_slots, queue, priority_weight,
    operator, $11,
    CASE WHEN new.state <> 'scheduled' THEN now() END,
    CASE WHEN new.state <> 'scheduled' THEN now() END,
    CASE WHEN new.state <> 'scheduled' THEN 0 END
FROM unnest($1::text[], $2::timestamptz[], $3::text[], $4::text[], $5::int[], $6::text[], $7::int[], $8::text[],
        $9::int[], $12::text[])
    AS new (dag_id, execution_date, task_id, state, max_tries, pool, pool_slots, queue, priority_weight, operator)
ON CONFLICT DO NOTHING
RETURNING dag_id, execution_date, task_id, state, try_number
)
SELECT {tells($13, $14)} FROM changed

-- name: move
-- Moves tasks from one state to another without a try: those that end by it begin and end now, whatever an earlier try did.
WITH changed AS (
UPDATE task_instance AS ti
SET state = new.state,
    try_number = CASE WHEN new.state = 'success' THEN 1 ELSE try_number END,
    start_date = CASE WHEN new.state = 'scheduled' THEN start_date ELSE now() END,
    end_date = CASE WHEN new.state = 'scheduled' THEN end_date ELSE now() END,
    duration = CASE WHEN new.state = 'scheduled' THEN duration ELSE 0 END,
    job_id = NULL, pid = NULL
FROM unnest($1::text[], $2::timestamptz[], $3::text[], $4::text[], $5::text[])
    AS new (dag_id, execution_date, task_id, old_state, state)
WHERE {same_run(ti, new)} AND ti.task_id = new.task_id
    AND ti.state IS NOT DISTINCT FROM new.old_state
RETURNING ti.dag_id, ti.execution_date, ti.task_id, ti.state, ti.try_number
)
SELECT {tells($6, $7)} FROM changed

-- name: finish_runs
-- Those who wait for runs listen on the channel $3. An empty text says that there are too many to name them.
WITH ended AS (
    UPDATE dag_run AS r SET state = new.state, end_date = now()
    FROM unnest($1::int[], $2::text[]) AS new (id, state)
    WHERE r.id = new.id AND r.state = 'running'
    RETURNING r.id
)
SELECT pg_notify($3, CASE WHEN length(ids) < 7900 THEN ids ELSE '' END)
FROM (SELECT string_agg(id::text, ',') AS ids FROM ended) AS named
WHERE ids IS NOT NULL

-- name: lock_claims
-- Only one claim at a time in this database: each claim sees what all others have claimed.
SELECT pg_advisory_xact_lock($1::int, 0)

-- name: lock_pools
-- Nobody changes a pool's size between this look and the end of the claim.
SELECT pool, slots FROM slot_pool ORDER BY pool FOR SHARE

-- name: in_use
SELECT dag_id, task_id, pool, count(*)::int AS tasks, sum(coalesce(pool_slots, 1)) AS slots
FROM task_instance
WHERE state IN ('queued', 'running')
GROUP BY dag_id, task_id, pool

-- name: scheduled_dags
SELECT DISTINCT dag_id FROM task_instance WHERE state = 'scheduled'

-- name: candidates
-- The next tasks in the queue after the given place, in pools with free slots and of DAGs that are not full.
SELECT ti.dag_id, ti.execution_date, ti.task_id, ti.pool, coalesce(ti.pool_slots, 1) AS slots,
    -ti.priority_weight::bigint AS rank
FROM task_instance AS ti JOIN dag AS d ON d.dag_id = ti.dag_id
WHERE ti.state = 'scheduled' AND NOT coalesce(d.is_paused, false)
    AND ti.pool = ANY ($1::text[]) AND ti.dag_id <> ALL ($2::text[])
    AND {fits_python(ti.execution_date)}
    AND NOT EXISTS (SELECT FROM windsock_ending AS e WHERE {same_run(ti, e)} AND e.task_id = ti.task_id)
    AND (-ti.priority_weight::bigint, ti.execution_date, ti.dag_id, ti.task_id)
        > ($3::bigint, $4::timestamptz, $5::text, $6::text)
ORDER BY -ti.priority_weight::bigint, ti.execution_date, ti.dag_id, ti.task_id
LIMIT $7::int
FOR KEY SHARE OF d SKIP LOCKED
FOR UPDATE OF ti SKIP LOCKED

-- name: queue
WITH changed AS (
UPDATE task_instance AS ti SET state = 'queued', queued_dttm = now(), job_id = $1
FROM unnest($2::text[], $3::timestamptz[], $4::text[]) AS new (dag_id, execution_date, task_id)
WHERE {same_run(ti, new)} AND ti.task_id = new.task_id
    AND ti.state = 'scheduled'
RETURNING ti.dag_id, ti.execution_date, ti.task_id, ti.state, ti.try_number
)
SELECT {tells($5, $6)} FROM changed

-- name: start_queued
-- The next try of everything that this scheduler has queued. It is committed before any process exists.
WITH changed AS (
UPDATE task_instance AS ti
SET state = 'running', try_number = least(coalesce(ti.try_number, 0), 2147483646) + 1, start_date = now(), end_date = NULL,
    duration = NULL, pid = NULL, hostname = $2, unixname = $3
WHERE ti.job_id = $1 AND ti.state = 'queued'
RETURNING ti.dag_id, ti.execution_date, ti.task_id, ti.state, ti.try_number
)
SELECT {tells($4, $5)} FROM changed

-- fragment: home
-- Distinguishes this database from others whose schedulers run on the same machine.
SELECT format('%s/%s/%s', current_setting('port'), current_database(), extract(epoch FROM min(applied_at))) AS home
FROM windsock_schema

-- fragment: tries
-- Tasks with what a try needs to know. `prev_` is the last run before that was successful, among the last 1,000. A conf of more
-- than 16 MB is empty here, which cannot be read.
SELECT this.home, ti.dag_id, ti.execution_date, ti.task_id, coalesce(ti.try_number, 0) AS try_number,
    coalesce(ti.max_tries, 0) AS max_tries,
    coalesce({python_date(ti.start_date)}, now()) AS start_date,
    {python_date(r.start_date)} AS run_start_date,
    r.id AS run, r.run_id, {type_by_run_id(r)} AS run_type, r.external_trigger,
    {python_date(r.data_interval_start)} AS data_interval_start, {python_date(r.data_interval_end)} AS data_interval_end,
    {type_by_run_id(prev)} AS prev_run_type, prev.execution_date AS prev_execution_date,
    {python_date(prev.start_date)} AS prev_start_date, {python_date(prev.end_date)} AS prev_end_date,
    {python_date(prev.data_interval_start)} AS prev_data_interval_start,
    {python_date(prev.data_interval_end)} AS prev_data_interval_end,
    CASE WHEN octet_length(r.conf) > 16777216 THEN '' ELSE r.conf END AS conf
FROM task_instance AS ti
JOIN dag_run AS r ON r.dag_id = ti.dag_id AND r.execution_date = ti.execution_date
CROSS JOIN ({home}) AS this
LEFT JOIN LATERAL (
    SELECT before.run_id, before.execution_date, before.start_date, before.end_date, before.data_interval_start,
        before.data_interval_end
    FROM (
        SELECT * FROM dag_run AS earlier
        WHERE earlier.dag_id = ti.dag_id AND earlier.execution_date < ti.execution_date
            AND {fits_python(earlier.execution_date)}
        ORDER BY earlier.execution_date DESC LIMIT 1000
    ) AS before
    WHERE before.state = 'success'
    ORDER BY before.execution_date DESC LIMIT 1
) AS prev ON true

-- name: own_tries
-- Everything that runs under this scheduler's job.
{tries}
WHERE ti.job_id = $1 AND ti.state = 'running' AND {fits_python(ti.execution_date)}

-- name: note_pids
UPDATE task_instance AS ti SET pid = new.pid
FROM unnest($2::text[], $3::timestamptz[], $4::text[], $5::int[], $6::int[])
    AS new (dag_id, execution_date, task_id, try_number, pid)
WHERE {same_run(ti, new)} AND ti.task_id = new.task_id
    AND ti.state = 'running' AND ti.job_id = $1 AND ti.try_number = new.try_number

-- name: lock_dags
-- If $2 is `on`, this transaction writes how tries ended whose processes have ended: nobody needs to wait for them.
SELECT dag_id, set_config('windsock.reports', $2, true) FROM dag
WHERE dag_id = ANY ($1::text[]) ORDER BY dag_id FOR KEY SHARE

-- name: end_tries
-- How tries ended. Only tries that are still this scheduler's own, in the run in which they began; `place` says which of the
-- reported ones those were.
WITH changed AS (
UPDATE task_instance AS ti
SET state = new.state, end_date = now(), duration = extract(epoch FROM now() - ti.start_date)
FROM unnest($2::text[], $3::timestamptz[], $4::text[], $5::int[], $6::text[], $7::int[])
    WITH ORDINALITY AS new (dag_id, execution_date, task_id, try_number, state, run, place)
WHERE {same_run(ti, new)} AND ti.task_id = new.task_id
    AND ti.state = 'running' AND ti.job_id IS NOT DISTINCT FROM $1 AND ti.try_number = new.try_number
    AND new.run IS NOT DISTINCT FROM (
        SELECT r.id FROM dag_run AS r WHERE r.dag_id = ti.dag_id AND r.execution_date = ti.execution_date
    )
RETURNING new.place - 1 AS place, ti.dag_id, ti.execution_date, ti.task_id, ti.state, ti.try_number
)
SELECT place, {tells($8, $9)} FROM changed

-- name: put_task_fails
INSERT INTO task_fail (task_id, dag_id, execution_date, start_date, end_date, duration)
SELECT ti.task_id, ti.dag_id, ti.execution_date, ti.start_date, ti.end_date, least(ti.duration, 2147483647)::int
FROM unnest($1::text[], $2::timestamptz[], $3::text[]) AS failed (dag_id, execution_date, task_id)
JOIN task_instance AS ti USING (dag_id, execution_date, task_id)

-- name: drop_xcoms
-- What earlier tries left.
DELETE FROM xcom USING unnest($1::text[], $2::timestamptz[], $3::text[]) AS task (dag_id, execution_date, task_id)
WHERE xcom.dag_id = task.dag_id AND xcom.execution_date = task.execution_date AND xcom.task_id = task.task_id

-- name: put_xcoms
INSERT INTO xcom (dag_id, execution_date, task_id, key, value, "timestamp")
SELECT dag_id, execution_date, task_id, key, value, now()
FROM unnest($1::text[], $2::timestamptz[], $3::text[], $4::text[], $5::bytea[])
    AS new (dag_id, execution_date, task_id, key, value)

-- name: xcoms
-- The results of the tasks of a run; no task leaves larger ones.
SELECT task_id, key, value FROM xcom
WHERE dag_id = $1 AND execution_date = $2 AND octet_length(value) <= 8388608
ORDER BY id

-- name: silent_jobs
-- Schedulers that have tasks but gave no sign of life for some seconds, except this one.
SELECT held.job_id
FROM (
    SELECT coalesce(ti.job_id, 0) AS job_id FROM task_instance AS ti WHERE ti.state IN ('queued', 'running')
    UNION
    SELECT e.job_id FROM windsock_ending AS e
) AS held
LEFT JOIN job ON job.id = held.job_id
WHERE held.job_id <> $1
    AND (job.id IS NULL OR job.state <> 'running' OR job.latest_heartbeat < now() - make_interval(secs => $2))

-- name: lock_dead_job
-- True if nobody holds the lock of `lock_job`; then holds it until the end of the transaction.
SELECT pg_try_advisory_xact_lock($1::int, $2::int)

-- name: orphans
SELECT this.home, r.id AS run,
    ti.dag_id, ti.execution_date, ti.task_id, ti.state, ti.job_id, ti.try_number, ti.max_tries, ti.pid, ti.hostname,
    {python_date(ti.start_date)} AS start_date
FROM task_instance AS ti
JOIN dag AS d ON d.dag_id = ti.dag_id
LEFT JOIN dag_run AS r ON r.dag_id = ti.dag_id AND r.execution_date = ti.execution_date
CROSS JOIN ({home}) AS this
WHERE ti.state IN ('queued', 'running') AND coalesce(ti.job_id, 0) = $1
    AND {fits_python(ti.execution_date)}
FOR KEY SHARE OF d SKIP LOCKED
FOR UPDATE OF ti SKIP LOCKED

-- name: endings
-- The tries that were taken away from a scheduler, as far as it is not known yet that their processes have ended.
SELECT this.home, e.id, e.run, e.dag_id, e.execution_date, e.task_id, e.try_number, e.pid, e.hostname,
    {python_date(e.start_date)} AS start_date
FROM windsock_ending AS e CROSS JOIN ({home}) AS this
WHERE e.job_id = $1 AND {fits_python(e.execution_date)}

-- name: drop_endings
DELETE FROM windsock_ending WHERE id = ANY ($1::bigint[])

-- name: fail_job
UPDATE job SET state = 'failed', end_date = latest_heartbeat WHERE id = $1 AND state = 'running'

-- name: due_schedules
-- The active DAGs whose schedule must be looked at: whose DAG has changed since its next run was found, or whose next run
-- is due, or waits for the end of other runs. `last_` is the newest run that the schedule has made. At most $1 of them.
SELECT d.dag_id, s.dag_hash, d.windsock_scheduled_hash, coalesce(d.is_paused, false) AS is_paused, now() AS now,
    {python_date(d.next_dagrun_data_interval_start)} AS next_start,
    {python_date(d.next_dagrun_data_interval_end)} AS next_end,
    d.next_dagrun_create_after::text AS create_after,
    {python_date(last.data_interval_start)} AS last_start, {python_date(last.data_interval_end)} AS last_end,
    (
        SELECT count(*) FROM (
            SELECT FROM dag_run AS r
            WHERE r.dag_id = d.dag_id AND r.state = 'running' AND NOT {is_backfill(r)} LIMIT 100000
        ) AS found
    ) AS active_runs
FROM dag AS d JOIN serialized_dag AS s ON s.dag_id = d.dag_id
LEFT JOIN LATERAL (
    SELECT r.data_interval_start, r.data_interval_end FROM dag_run AS r
    WHERE r.dag_id = d.dag_id AND r.data_interval_end IS NOT NULL
    ORDER BY r.execution_date DESC LIMIT 1
) AS last ON true
WHERE d.is_active AND NOT coalesce(d.is_subdag, false) AND (
    d.windsock_scheduled_hash IS DISTINCT FROM s.dag_hash
    OR NOT coalesce(d.is_paused, false) AND d.next_dagrun IS NOT NULL
        AND coalesce(d.next_dagrun_create_after <= now(), true)
) AND d.dag_id <> ALL ($2::text[])
ORDER BY d.next_dagrun_create_after, d.dag_id
LIMIT $1::int

-- name: seconds_until_due
-- Until the next run of a schedule is due, NULL if there is none, and the moment of this question. $1 is that of the last
-- one: what was due before has been looked at since, but not what has become due since the look.
SELECT extract(epoch FROM min(next_dagrun_create_after) - now())::float8 AS seconds, now() AS moment FROM dag
WHERE is_active AND NOT coalesce(is_paused, false) AND isfinite(next_dagrun_create_after)
    AND next_dagrun_create_after > least($1::timestamptz, now())

-- name: make_runs
-- Makes the runs of schedules that are due, and notes which is next, in one step for each DAG: if another scheduler has done
-- so since they were looked at ($3, $4 and $5 say how they were then), or if the clock was set back, nothing happens. A run is
-- left out if its date is taken. If its run_id is, by a run from the time before the DAG had a schedule, it gets another one.
WITH found AS (
    SELECT new.*
    FROM unnest($1::text[], $2::text[], $3::text[], $4::timestamptz[], $5::text[], $6::timestamptz[], $7::timestamptz[],
            $8::timestamptz[], $9::timestamptz[])
        AS new (dag_id, dag_hash, was_hash, was_start, was_after, next_start, next_end, create_after, due)
    JOIN dag AS d ON d.dag_id = new.dag_id
    JOIN serialized_dag AS s ON s.dag_id = new.dag_id AND s.dag_hash = new.dag_hash
    WHERE d.is_active AND (new.due IS NULL OR NOT coalesce(d.is_paused, false) AND new.due <= now())
        AND d.windsock_scheduled_hash IS NOT DISTINCT FROM new.was_hash
        AND d.next_dagrun_data_interval_start IS NOT DISTINCT FROM new.was_start
        AND d.next_dagrun_create_after IS NOT DISTINCT FROM new.was_after::timestamptz
    ORDER BY new.dag_id
    FOR NO KEY UPDATE OF d SKIP LOCKED
), moved AS (
    UPDATE dag AS d
    SET windsock_scheduled_hash = found.dag_hash, next_dagrun = found.next_start,
        next_dagrun_data_interval_start = found.next_start, next_dagrun_data_interval_end = found.next_end,
        next_dagrun_create_after = found.create_after
    FROM found WHERE d.dag_id = found.dag_id
)
INSERT INTO dag_run (dag_id, run_id, execution_date, state, external_trigger, start_date, data_interval_start,
    data_interval_end)
SELECT run.dag_id, run.run_id || CASE WHEN EXISTS (
        SELECT FROM dag_run AS taken WHERE taken.dag_id = run.dag_id AND taken.run_id = run.run_id
    ) THEN '__2' ELSE '' END, run.starts, 'running', false, now(), run.starts, run.ends
FROM unnest($10::text[], $11::text[], $12::timestamptz[], $13::timestamptz[]) AS run (dag_id, run_id, starts, ends)
JOIN found ON found.dag_id = run.dag_id
ORDER BY run.dag_id, run.starts
ON CONFLICT DO NOTHING
RETURNING id, dag_id, run_id

-- name: last_try
-- The last try of a task, or the first one if none has begun.
{tries}
WHERE ti.dag_id = $1 AND ti.execution_date = $2 AND ti.task_id = $3 AND {fits_python(ti.execution_date)}

-- name: first_xcoms
-- The first results of the tasks of a run, at most $3 bytes of them.
SELECT task_id, key, value
FROM (
    SELECT id, task_id, key, value, sum(octet_length(value)) OVER (ORDER BY id) AS bytes FROM xcom
    WHERE dag_id = $1 AND execution_date = $2
) AS found
WHERE bytes <= $3::bigint
ORDER BY id

-- fragment: told_instances
SELECT ti.dag_id, r.run_id, ti.task_id, ti.execution_date, ti.state, coalesce(ti.try_number, 0) AS try_number,
    {python_date(ti.start_date)} AS start_date, {python_date(ti.end_date)} AS end_date, ti.duration
FROM task_instance AS ti JOIN dag_run AS r ON {same_run(r, ti)}

-- name: ended_instances
-- The tasks of a run that its DAG still had at the end, those that ended last come first.
{told_instances}
WHERE r.id = $1 AND ti.state IS DISTINCT FROM 'removed' AND {fits_python(ti.execution_date)}
ORDER BY ti.end_date DESC NULLS LAST, ti.task_id
LIMIT $2::int

-- name: blocking_instances
-- As in Airflow, a task that nothing has happened to does not block.
{told_instances}
WHERE ti.dag_id = $1 AND ti.execution_date = ANY ($2::timestamptz[]) AND ti.state <> 'success'
ORDER BY ti.execution_date, ti.task_id
LIMIT $3::int

-- name: watch_slas
-- From the end of the data interval; a run that no schedule has made has none here, and is not watched.
INSERT INTO windsock_sla (dag_id, execution_date, task_id, due)
SELECT new.dag_id, new.execution_date, new.task_id, r.data_interval_end + make_interval(secs => new.sla)
FROM unnest($1::text[], $2::timestamptz[], $3::text[], $4::float8[]) AS new (dag_id, execution_date, task_id, sla)
JOIN dag_run AS r ON {same_run(r, new)} AND {fits_python(r.data_interval_end)}
ON CONFLICT DO NOTHING

-- name: due_slas
-- The DAGs that have tasks whose time is over.
SELECT DISTINCT s.dag_id FROM windsock_sla AS s JOIN dag AS d ON d.dag_id = s.dag_id
WHERE s.due <= now() AND NOT coalesce(d.is_paused, false)

-- name: miss_slas
-- Judges up to $2 tasks of these DAGs whose time is over, each once, and notes those that have missed it.
WITH judged AS (
    DELETE FROM windsock_sla AS s USING (
        SELECT s.dag_id, s.execution_date, s.task_id FROM windsock_sla AS s JOIN dag AS d ON d.dag_id = s.dag_id
        WHERE s.due <= now() AND s.dag_id = ANY ($1::text[])
        ORDER BY s.due, s.dag_id, s.execution_date, s.task_id LIMIT $2::int
        FOR KEY SHARE OF d SKIP LOCKED
        FOR UPDATE OF s SKIP LOCKED
    ) AS over
    WHERE {same_run(s, over)} AND s.task_id = over.task_id
    RETURNING s.dag_id, s.execution_date, s.task_id
)
INSERT INTO sla_miss (dag_id, execution_date, task_id, email_sent, "timestamp", notification_sent)
SELECT ti.dag_id, ti.execution_date, ti.task_id, false, now(), true
FROM judged JOIN task_instance AS ti ON {same_run(ti, judged)} AND ti.task_id = judged.task_id
WHERE coalesce(ti.state, '') NOT IN ('success', 'skipped', 'removed') AND {fits_python(ti.execution_date)}
ON CONFLICT DO NOTHING
RETURNING dag_id, execution_date, task_id, "timestamp"
