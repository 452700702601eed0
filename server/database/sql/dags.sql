-- The statements of the DAG loader. Everything about one file happens in one transaction, which holds the `lock` of the file:
-- a leader that has just lost its own lock may not know it yet.

-- name: known_files
-- The YAML files that the database knows: those with active DAGs, and those with an import error.
SELECT fileloc, array_agg(dag_id) FILTER (WHERE dag_id IS NOT NULL) AS dag_ids
FROM (
    SELECT fileloc, dag_id FROM dag WHERE is_active AND NOT coalesce(is_subdag, false)
    UNION ALL
    SELECT filename, NULL FROM import_error
) AS known
WHERE fileloc ~ '\.ya?ml$'
GROUP BY fileloc;

-- name: missing_dags
-- Those of these DAGs that somebody deleted or deactivated without the loader.
SELECT dag_id
FROM unnest($1::text[]) AS wanted (dag_id)
WHERE NOT EXISTS (SELECT FROM dag JOIN serialized_dag USING (dag_id) WHERE dag.dag_id = wanted.dag_id AND is_active);

-- name: stored_dags
SELECT dag_id, dag.fileloc, dag_hash
FROM dag JOIN serialized_dag USING (dag_id)
WHERE dag_id = ANY ($1::text[]) AND is_active;

-- name: stored_code
SELECT source_code FROM dag_code WHERE fileloc_hash = $1;

-- name: stored_errors
SELECT stacktrace FROM import_error WHERE filename = $1;

-- name: put_dag
-- $2 is for a new DAG only: editing a file does not pause or unpause a DAG.
INSERT INTO dag (dag_id, is_paused, is_subdag, is_active, last_scheduler_run, fileloc, owners, description,
                 schedule_interval, timetable_description)
VALUES ($1, $2, false, true, now(), $3, $4, $5, $6, $7)
ON CONFLICT (dag_id) DO UPDATE
SET is_subdag = false, is_active = true, root_dag_id = NULL, last_scheduler_run = excluded.last_scheduler_run,
    fileloc = excluded.fileloc, owners = excluded.owners, description = excluded.description,
    schedule_interval = excluded.schedule_interval, timetable_description = excluded.timetable_description;

-- name: put_serialized_dag
INSERT INTO serialized_dag (dag_id, fileloc, fileloc_hash, data, last_updated, dag_hash)
VALUES ($1, $2, $3, $4, now(), $5)
ON CONFLICT (dag_id) DO UPDATE
SET fileloc = excluded.fileloc, fileloc_hash = excluded.fileloc_hash, data = excluded.data,
    last_updated = excluded.last_updated, dag_hash = excluded.dag_hash;

-- name: drop_tags
DELETE FROM dag_tag WHERE dag_id = $1 AND name <> ALL ($2::text[]);

-- name: put_tags
INSERT INTO dag_tag (name, dag_id) SELECT name, $1 FROM unnest($2::text[]) AS tag (name) ON CONFLICT DO NOTHING;

-- name: put_code
INSERT INTO dag_code (fileloc_hash, fileloc, source_code, last_updated)
VALUES ($1, $2, $3, now())
ON CONFLICT (fileloc_hash) DO UPDATE
SET fileloc = excluded.fileloc, source_code = excluded.source_code, last_updated = excluded.last_updated;

-- name: deactivate_dags
-- The DAGs of a file that it no longer defines.
UPDATE dag SET is_active = false
WHERE fileloc = $1 AND is_active AND dag_id <> ALL ($2::text[])
RETURNING dag_id;

-- name: drop_import_error
DELETE FROM import_error WHERE filename = $1;

-- name: put_import_error
INSERT INTO import_error ("timestamp", filename, stacktrace) VALUES (now(), $1, $2);
