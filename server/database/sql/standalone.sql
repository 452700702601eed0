-- The statements that only a standalone database has; the others are those for Airflow 1.10.

-- name: first_dag
-- The DAG that the printed curl command names: the example if it exists, or else one that is not paused.
SELECT dag_id
FROM dag
WHERE is_active
ORDER BY dag_id = 'example_bash_operator' DESC, is_paused, dag_id
LIMIT 1

-- name: announce
-- Sends the ids of new runs to the schedulers, which listen on the channel $2. An empty text says that there are too many
-- to name them. Losing this transaction loses nothing, so nobody waits until it is on the disk.
SELECT set_config('synchronous_commit', 'off', true),
    pg_notify($2, CASE WHEN length(ids) < 7900 THEN ids ELSE '' END)
FROM array_to_string($1::int[], ',') AS ids
