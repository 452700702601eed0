-- name: take_changes
-- What was written since the last call, in order.
WITH taken AS (DELETE FROM replay_audit.change RETURNING *)
SELECT relation, before::text, after::text FROM taken ORDER BY id;

-- name: rows_with
-- The rows of a table that have these values.
SELECT value::text FROM replay_audit.rows_with($1, $2::text::jsonb) AS value;

-- name: source_of
-- The file that defines a DAG.
SELECT source_code FROM dag JOIN dag_code USING (fileloc) WHERE dag_id = $1;
