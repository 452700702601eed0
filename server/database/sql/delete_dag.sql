-- What deleting a DAG deletes: each table that exists, in this order, children first; every row is counted. These are the
-- tables that Airflow's own delete names, and those that its foreign keys cascade to.

-- name: delete_dag.task_reschedule
DELETE FROM task_reschedule WHERE dag_id = ANY ($1::text[])  -- if task_reschedule.dag_id
DELETE FROM task_reschedule USING task_instance AS ti WHERE ti.id = ti_id AND ti.dag_id = ANY ($1::text[])  -- unless task_reschedule.dag_id

-- name: delete_dag.task_instance_note
DELETE FROM task_instance_note WHERE dag_id = ANY ($1::text[])  -- if task_instance_note.dag_id
DELETE FROM task_instance_note USING task_instance AS ti WHERE ti.id = ti_id AND ti.dag_id = ANY ($1::text[])  -- unless task_instance_note.dag_id

-- name: delete_dag.hitl_detail_history
DELETE FROM hitl_detail_history USING task_instance_history AS tih
WHERE tih.task_instance_id = ti_history_id AND tih.dag_id = ANY ($1::text[])

-- name: delete_dag.hitl_detail
DELETE FROM hitl_detail USING task_instance AS ti WHERE ti.id = ti_id AND ti.dag_id = ANY ($1::text[])

-- name: delete_dag.rendered_task_instance_fields
DELETE FROM rendered_task_instance_fields WHERE dag_id = ANY ($1::text[])

-- name: delete_dag.sla_miss
DELETE FROM sla_miss WHERE dag_id = ANY ($1::text[])

-- name: delete_dag.task_fail
DELETE FROM task_fail WHERE dag_id = ANY ($1::text[])

-- name: delete_dag.task_map
DELETE FROM task_map WHERE dag_id = ANY ($1::text[])

-- name: delete_dag.xcom
DELETE FROM xcom WHERE dag_id = ANY ($1::text[])

-- name: delete_dag.task_state_store
DELETE FROM task_state_store WHERE dag_id = ANY ($1::text[])

-- name: delete_dag.task_instance_history
DELETE FROM task_instance_history WHERE dag_id = ANY ($1::text[])

-- name: delete_dag.task_instance
DELETE FROM task_instance WHERE dag_id = ANY ($1::text[])

-- name: delete_dag.dag_run_note
DELETE FROM dag_run_note USING dag_run WHERE dag_run.id = dag_run_id AND dag_run.dag_id = ANY ($1::text[])

-- name: delete_dag.dagrun_dataset_event
DELETE FROM dagrun_dataset_event USING dag_run WHERE dag_run.id = dag_run_id AND dag_run.dag_id = ANY ($1::text[])

-- name: delete_dag.dagrun_asset_event
DELETE FROM dagrun_asset_event USING dag_run WHERE dag_run.id = dag_run_id AND dag_run.dag_id = ANY ($1::text[])

-- name: delete_dag.asset_partition_dag_run
DELETE FROM asset_partition_dag_run USING dag_run
WHERE dag_run.id = created_dag_run_id AND dag_run.dag_id = ANY ($1::text[])

-- name: delete_dag.deadline
DELETE FROM deadline USING dag_run WHERE dag_run.id = dagrun_id AND dag_run.dag_id = ANY ($1::text[])

-- name: delete_dag.backfill_dag_run
DELETE FROM backfill_dag_run USING backfill WHERE backfill.id = backfill_id AND backfill.dag_id = ANY ($1::text[])

-- name: delete_dag.dag_run
DELETE FROM dag_run WHERE dag_id = ANY ($1::text[])

-- name: delete_dag.backfill
DELETE FROM backfill WHERE dag_id = ANY ($1::text[])

-- name: delete_dag.job
DELETE FROM job WHERE dag_id = ANY ($1::text[])

-- name: delete_dag.dag_tag
DELETE FROM dag_tag WHERE dag_id = ANY ($1::text[])

-- name: delete_dag.dag_owner_attributes
DELETE FROM dag_owner_attributes WHERE dag_id = ANY ($1::text[])

-- name: delete_dag.dag_warning
DELETE FROM dag_warning WHERE dag_id = ANY ($1::text[])

-- name: delete_dag.dag_favorite
DELETE FROM dag_favorite WHERE dag_id = ANY ($1::text[])

-- name: delete_dag.dataset_dag_run_queue
DELETE FROM dataset_dag_run_queue WHERE target_dag_id = ANY ($1::text[])

-- name: delete_dag.asset_dag_run_queue
DELETE FROM asset_dag_run_queue WHERE target_dag_id = ANY ($1::text[])

-- name: delete_dag.dag_schedule_dataset_reference
DELETE FROM dag_schedule_dataset_reference WHERE dag_id = ANY ($1::text[])

-- name: delete_dag.dag_schedule_dataset_alias_reference
DELETE FROM dag_schedule_dataset_alias_reference WHERE dag_id = ANY ($1::text[])

-- name: delete_dag.task_outlet_dataset_reference
DELETE FROM task_outlet_dataset_reference WHERE dag_id = ANY ($1::text[])

-- name: delete_dag.dag_schedule_asset_reference
DELETE FROM dag_schedule_asset_reference WHERE dag_id = ANY ($1::text[])

-- name: delete_dag.dag_schedule_asset_alias_reference
DELETE FROM dag_schedule_asset_alias_reference WHERE dag_id = ANY ($1::text[])

-- name: delete_dag.dag_schedule_asset_name_reference
DELETE FROM dag_schedule_asset_name_reference WHERE dag_id = ANY ($1::text[])

-- name: delete_dag.dag_schedule_asset_uri_reference
DELETE FROM dag_schedule_asset_uri_reference WHERE dag_id = ANY ($1::text[])

-- name: delete_dag.task_inlet_asset_reference
DELETE FROM task_inlet_asset_reference WHERE dag_id = ANY ($1::text[])

-- name: delete_dag.task_outlet_asset_reference
DELETE FROM task_outlet_asset_reference WHERE dag_id = ANY ($1::text[])

-- name: delete_dag.deadline_alert
DELETE FROM deadline_alert USING serialized_dag
WHERE serialized_dag.id = serialized_dag_id AND serialized_dag.dag_id = ANY ($1::text[])

-- name: delete_dag.serialized_dag
DELETE FROM serialized_dag WHERE dag_id = ANY ($1::text[])

-- name: delete_dag.dag_code
DELETE FROM dag_code WHERE dag_id = ANY ($1::text[])  -- if dag_code.dag_id

-- name: delete_dag.dag_version
DELETE FROM dag_version WHERE dag_id = ANY ($1::text[])

-- name: delete_dag.dag
DELETE FROM dag WHERE dag_id = ANY ($1::text[])

-- name: delete_import_error
-- Deleted with the DAG, but not a row of the DAG, so not counted.
DELETE FROM import_error WHERE filename = ANY ($1::text[])
    AND bundle_name IS NOT DISTINCT FROM $2::text  -- if import_error.bundle_name
    AND $2::text IS NULL  -- unless import_error.bundle_name
