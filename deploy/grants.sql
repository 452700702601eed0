-- What Windsock needs in the database of an Airflow, whichever it is, and nothing more. Run it as the owner of the
-- tables, in that database, once now and again after each upgrade of Airflow (an upgrade may bring tables):
--
--     psql -v ON_ERROR_STOP=1 -c "CREATE ROLE windsock LOGIN PASSWORD '...'" airflow
--     psql -v ON_ERROR_STOP=1 -f deploy/grants.sql airflow
--
-- For a role of another name, first: SET windsock.role = 'the_name'

DO $$
DECLARE
    role_name text := coalesce(nullif(current_setting('windsock.role', true), ''), 'windsock');
    needed record;
BEGIN
    EXECUTE format('GRANT USAGE ON SCHEMA %I TO %I', current_schema(), role_name);
    FOR needed IN
        SELECT privileges, unnest(names) AS name FROM (VALUES
            -- to know which Airflow it is, and to read
            ('SELECT', ARRAY['alembic_version', 'dag_code', 'dag_version', 'job', 'log_template']),
            -- who may authenticate, with password_auth
            ('SELECT', ARRAY['users', 'ab_user']),
            -- to trigger
            ('SELECT, INSERT', ARRAY['dag_run']),
            -- to pause; also what locks a DAG while it is deleted
            ('SELECT, UPDATE (is_paused)', ARRAY['dag']),
            -- pools
            ('SELECT, INSERT, UPDATE, DELETE', ARRAY['slot_pool']),
            -- who did what
            ('INSERT', ARRAY['log']),
            -- to delete a DAG
            ('SELECT, DELETE', ARRAY[
                'asset_dag_run_queue', 'asset_partition_dag_run', 'backfill', 'backfill_dag_run', 'dag', 'dag_favorite',
                'dag_owner_attributes', 'dag_run', 'dag_run_note', 'dag_schedule_asset_alias_reference',
                'dag_schedule_asset_name_reference', 'dag_schedule_asset_reference',
                'dag_schedule_asset_uri_reference', 'dag_schedule_dataset_alias_reference',
                'dag_schedule_dataset_reference', 'dag_tag', 'dag_version', 'dag_warning', 'dagrun_asset_event',
                'dagrun_dataset_event', 'dataset_dag_run_queue', 'deadline', 'deadline_alert', 'hitl_detail',
                'hitl_detail_history', 'import_error', 'job', 'rendered_task_instance_fields', 'serialized_dag',
                'sla_miss', 'task_fail', 'task_inlet_asset_reference', 'task_instance', 'task_instance_history',
                'task_instance_note', 'task_map', 'task_outlet_asset_reference', 'task_outlet_dataset_reference',
                'task_reschedule', 'task_state_store', 'xcom', 'dag_code'])
        ) AS list (privileges, names)
    LOOP
        -- dag_code is a DAG's own only since 3.0
        CONTINUE WHEN to_regclass(needed.name) IS NULL OR needed.privileges = 'SELECT, DELETE' AND needed.name = 'dag_code'
            AND to_regclass('dag_version') IS NULL;
        EXECUTE format('GRANT %s ON TABLE %I TO %I', needed.privileges, needed.name, role_name);
    END LOOP;
    FOR needed IN SELECT unnest(ARRAY['dag_run_id_seq', 'slot_pool_id_seq', 'log_id_seq']) AS name LOOP
        CONTINUE WHEN to_regclass(needed.name) IS NULL;
        EXECUTE format('GRANT USAGE ON SEQUENCE %I TO %I', needed.name, role_name);
    END LOOP;
END $$;
