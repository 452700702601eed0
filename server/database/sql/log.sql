-- name: write_log
-- A value that is too long is cut rather than lost.
INSERT INTO log (
    run_id,  -- if log.run_id
    owner_display_name,  -- if log.owner_display_name
    execution_date,  -- if log.execution_date
    dttm, event, dag_id, task_id, owner, extra)
SELECT
    left(run_id, 250),  -- if log.run_id
    left(display_name, 500),  -- if log.owner_display_name
    execution_date,  -- if log.execution_date
    now(), left(event, 30), left(dag_id, 250), left(task_id, 250), left(owner, 500), extra
FROM unnest($1::text[], $2::text[], $3::text[], $4::text[], $5::text[], $6::timestamptz[], $7::text[], $8::text[])
    AS entries (event, dag_id, owner, extra, run_id, execution_date, display_name, task_id)
