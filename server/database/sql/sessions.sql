-- What a process asks of its own session.

-- name: ping
SELECT 1

-- name: lock
-- Whoever else asks for the lock $1 waits until this transaction ends.
SELECT pg_advisory_xact_lock($1)

-- name: try_lock
-- Takes the lock $1, which this session holds until it ends; false if another one has it.
SELECT pg_try_advisory_lock($1)

-- name: try_lock_in_transaction
-- The same, until the transaction ends.
SELECT pg_try_advisory_xact_lock($1)

-- name: end_when_silent
-- A session that holds a lock ends if its process sends nothing for this many milliseconds: one that is suspended or cut off
-- does not keep what it holds for ever. Before Postgres 14 there is no such limit.
SELECT set_config(name, $1, false) FROM pg_settings WHERE name = 'idle_session_timeout'
