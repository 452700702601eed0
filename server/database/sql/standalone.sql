-- The statements that only a standalone database has; the others are those for Airflow 1.10.

-- name: first_dag
-- The DAG that the printed curl command names: the example if it exists, or else one that is not paused.
SELECT dag_id
FROM dag
WHERE is_active
ORDER BY dag_id = 'example_bash_operator' DESC, is_paused, dag_id
LIMIT 1

-- fragment: runs_under_way
-- The index of the scheduler's queue has these alone. No run of this database is queued.
SELECT dag_run.id, dag_run.state FROM dag_run WHERE dag_run.state = 'running'

-- name: announce
-- Sends the ids of new runs to the schedulers, which listen on the channel $2. An empty text says that there are too many
-- to name them. Losing this transaction loses nothing, so nobody waits until it is on the disk.
SELECT set_config('synchronous_commit', 'off', true),
    pg_notify($2, CASE WHEN length(ids) < 7900 THEN ids ELSE '' END)
FROM array_to_string($1::int[], ',') AS ids

-- fragment: lock_of_dag
-- As deleting the DAG does: the scheduler's changes of its tasks wait, or leave them out.
FOR UPDATE

-- fragment: state_if_failed
CASE
    WHEN ti.state = 'running' THEN 'failed'
    WHEN coalesce(ti.state, '') NOT IN ({last_states}) THEN 'skipped'
END

-- fragment: changed_columns
{state_with_dates}

-- name: steering.end_run
UPDATE dag_run SET
    end_date = CASE WHEN state IS NULL OR state IN ('queued', 'running') THEN now() ELSE end_date END,
    state = $2::text
WHERE id = $1 AND state IS DISTINCT FROM $2::text

-- fragment: unless_it_runs
-- The scheduler ends the process of one that runs before its next try begins.
AND true

-- name: steering.requeue_run
UPDATE dag_run SET state = 'running', start_date = now(), end_date = NULL
WHERE id = $1 AND state IN ('success', 'failed') AND $2::boolean IS NOT NULL
RETURNING state

-- name: steering.announce
-- Those who wait for the run $1 listen on the channel $2, and the schedulers on $3.
SELECT pg_notify($2, $1::int::text), pg_notify($3, $1::int::text)

-- fragment: is_by_schedule(run)
{run}.data_interval_end IS NOT NULL

-- fragment: is_schedule_open
-- The scheduler has not looked at the DAG since its file has changed.
dag.windsock_scheduled_hash IS DISTINCT FROM (
    SELECT stored.dag_hash FROM serialized_dag AS stored WHERE stored.dag_id = dag.dag_id
)

-- name: told_run_ends
-- What the server notes of the ends of runs that it has told.
SELECT content FROM windsock_state WHERE name = 'told_run_ends'

-- name: note_told_run_ends
INSERT INTO windsock_state (name, content) VALUES ('told_run_ends', $1::text)
ON CONFLICT (name) DO UPDATE SET content = excluded.content

-- fragment: run_type_of(run)
{type_by_run_id({run})}
