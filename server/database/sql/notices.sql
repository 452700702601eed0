-- The statements of those who listen to the schedulers of a standalone database.

-- name: listen_to_tasks
-- As long as somebody holds this lock, schedulers say what becomes of tasks. False while one of them has it, for a moment.
SELECT pg_try_advisory_lock_shared($1::int, 0)

-- name: ignore_tasks
SELECT pg_advisory_unlock_shared($1::int, 0)
