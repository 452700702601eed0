-- The rights that Windsock needs in the database of an Airflow of any release, and no more: it reads only the columns that
-- are named here. Run it as the owner of the tables, in that database, now and again after each upgrade of Airflow or of
-- Windsock, because both may bring new tables and columns. It first revokes the rights that the role had on these tables
-- before.
--
--     psql -v ON_ERROR_STOP=1 -c "CREATE ROLE windsock LOGIN PASSWORD '...'" airflow
--     psql -v ON_ERROR_STOP=1 -f deploy/grants.sql airflow
--
-- For a role with another name, first: SET windsock.role = 'the_name'

DO $$
DECLARE
    role_name text := coalesce(nullif(current_setting('windsock.role', true), ''), 'windsock');
    needed record;
BEGIN
    EXECUTE format('GRANT USAGE ON SCHEMA %I TO %I', current_schema(), role_name);
    -- Each row names tables and columns, of which those that exist are used; no columns means the whole table. A row with a
    -- condition is for those Airflows that have that `table.column` or, with a !, do not have it.
    CREATE TEMPORARY TABLE windsock_grants ON COMMIT DROP AS
    SELECT to_regclass(name) AS name, privilege, columns FROM (VALUES
        -- to know which Airflow it is, and whether its scheduler is alive
        ('SELECT', 'version_num', 'alembic_version', ''),
        ('SELECT', 'job_type state latest_heartbeat', 'job', ''),
        -- the users who may authenticate, for password_auth; `windsock list_users`
        ('SELECT', 'id username email password superuser', 'users', ''),
        ('SELECT', 'id username email password active', 'ab_user', ''),
        -- their roles, for [windsock] authorization = airflow
        ('SELECT', 'user_id role_id', 'ab_user_role', ''),
        ('SELECT', 'id name', 'ab_role ab_permission ab_view_menu', ''),
        ('SELECT', 'permission_view_id role_id', 'ab_permission_view_role', ''),
        ('SELECT', 'id permission_id view_menu_id', 'ab_permission_view', ''),
        -- DAGs, their source and their serialized form; xmin shows whether that row was written again
        ('SELECT', 'dag_id root_dag_id is_subdag is_paused is_active is_stale fileloc relative_fileloc bundle_name owners'
            ' bundle_version schedule_interval timetable_summary max_active_runs max_active_tasks description last_parsed_time'
            ' last_scheduler_run next_dagrun next_dagrun_create_after next_dagrun_data_interval_start'
            ' next_dagrun_data_interval_end timetable_description', 'dag', ''),
        ('SELECT', 'dag_id name', 'dag_tag', ''),
        ('SELECT', 'source_code dag_version_id', 'dag_code', ''),
        ('SELECT', 'fileloc', 'dag_code', '!dag_code.dag_version_id'),
        ('SELECT', 'id dag_id version_number', 'dag_version', ''),
        ('SELECT', 'xmin dag_id data data_compressed dag_version_id', 'serialized_dag', ''),
        -- DAG files that could not be loaded
        ('SELECT', 'id timestamp filename bundle_name stacktrace', 'import_error', ''),
        -- runs and task instances
        ('SELECT', 'id dag_id run_id execution_date logical_date run_after state start_date end_date conf external_trigger'
            ' run_type queued_at data_interval_start data_interval_end', 'dag_run', ''),
        ('SELECT', 'dag_run_id content', 'dag_run_note', ''),
        ('SELECT', 'task_id dag_id run_id execution_date map_index duration executor_config start_date end_date queued_dttm'
            ' hostname unixname pid job_id max_tries operator pool pool_slots priority_weight queue state try_number', 'task_instance', ''),
        -- the names of their logs
        ('SELECT', 'data_interval_start data_interval_end log_template_id', 'dag_run', ''),
        -- to trigger; the parent's hash is for runs of sub-DAGs
        ('INSERT', '', 'dag_run', ''),
        ('SELECT', 'id filename', 'log_template', ''),
        ('SELECT', 'dag_hash', 'serialized_dag', 'dag_run.dag_hash'),
        -- the other rows of a run: task instances, deadlines and their callbacks (3.1 and later)
        ('INSERT', '', 'task_instance', 'dag_run.triggering_user_name'),
        ('SELECT', 'context_carrier', 'dag_run', 'dag_run.created_at'),
        ('INSERT', '', 'deadline', 'dag_run.triggering_user_name'),
        ('INSERT', '', 'callback', ''),
        ('SELECT', 'id reference interval callback_def', 'deadline_alert', ''),
        -- to pause; also to lock a DAG while it is deleted
        ('UPDATE', 'is_paused', 'dag', ''),
        -- pools
        ('SELECT', 'id pool slots description include_deferred', 'slot_pool', ''),
        ('UPDATE', 'slots description', 'slot_pool', ''),
        ('INSERT', '', 'slot_pool', ''),
        ('DELETE', '', 'slot_pool', ''),
        -- the log of who did what
        ('INSERT', '', 'log', ''),
        -- to delete a DAG: whose the rows are, and the ids by which rows in other tables refer to them
        ('DELETE', '', 'dag dag_run dag_tag dag_version import_error job serialized_dag task_instance', ''),
        ('DELETE', '', 'dag_code', 'dag_code.dag_id'),
        ('SELECT', 'dag_id', 'dag_code job', ''),
        ('SELECT', 'id', 'task_instance', 'task_reschedule.ti_id'),
        ('SELECT', 'id', 'serialized_dag', 'deadline_alert.serialized_dag_id'),
        ('SELECT', 'task_instance_id', 'task_instance_history', 'hitl_detail_history.ti_history_id'),
        ('SELECT', 'id', 'backfill', ''),
        ('SELECT, DELETE', 'dag_id', 'backfill dag_favorite dag_owner_attributes dag_schedule_asset_alias_reference'
            ' dag_schedule_asset_name_reference dag_schedule_asset_reference dag_schedule_asset_uri_reference'
            ' dag_schedule_dataset_alias_reference dag_schedule_dataset_reference dag_warning rendered_task_instance_fields'
            ' sla_miss task_fail task_inlet_asset_reference task_instance_history task_map task_outlet_asset_reference'
            ' task_outlet_dataset_reference task_state_store xcom', ''),
        ('SELECT, DELETE', 'dag_id ti_id', 'task_instance_note task_reschedule', ''),
        ('SELECT, DELETE', 'dag_run_id', 'dag_run_note dagrun_asset_event dagrun_dataset_event', ''),
        ('SELECT, DELETE', 'target_dag_id', 'asset_dag_run_queue dataset_dag_run_queue', ''),
        ('SELECT, DELETE', 'created_dag_run_id', 'asset_partition_dag_run', ''),
        ('SELECT, DELETE', 'backfill_id', 'backfill_dag_run', ''),
        ('SELECT, DELETE', 'dagrun_id', 'deadline', ''),
        ('SELECT, DELETE', 'serialized_dag_id', 'deadline_alert', ''),
        ('SELECT, DELETE', 'ti_id', 'hitl_detail', ''),
        ('SELECT, DELETE', 'ti_history_id', 'hitl_detail_history', ''),
        -- to steer runs: set their state, clear and mark their tasks, delete them
        ('SELECT', 'end_date', 'dag_run', ''),
        ('UPDATE', 'state start_date end_date updated_at queued_at last_scheduling_decision clear_number', 'dag_run', ''),
        ('SELECT', 'clear_number', 'dag_run', ''),
        ('SELECT', 'created_dag_version_id bundle_version last_scheduling_decision', 'dag_run', 'dag_run.logical_date'),
        ('UPDATE', 'bundle_version', 'dag_run', '!dag_run.triggering_user_name'),
        ('UPDATE', 'context_carrier', 'dag_run', 'dag_run.created_at'),
        ('SELECT', 'conf', 'dag_run', 'task_instance.retry_reason'),
        ('UPDATE', 'state max_tries pool pool_slots queue priority_weight operator', 'task_instance', ''),
        ('UPDATE', 'start_date end_date duration updated_at custom_operator_name executor external_executor_id next_method'
            ' next_kwargs', 'task_instance', 'task_instance.map_index'),
        ('SELECT', 'custom_operator_name executor', 'task_instance', ''),
        ('UPDATE', 'id', 'task_instance', 'task_instance.dag_version_id'),
        ('UPDATE', 'context_carrier', 'task_instance', 'dag_run.created_at'),
        ('UPDATE', 'dag_version_id', 'task_instance', 'task_instance.retry_reason'),
        ('SELECT', 'updated_at external_executor_id next_method next_kwargs span_status scheduled_dttm retry_delay_override'
            ' retry_reason queued_by_job_id rendered_map_index trigger_id trigger_timeout task_display_name context_carrier'
            ' dag_version_id', 'task_instance', 'task_instance_history.try_number'),
        ('SELECT', 'run_id task_id map_index try_number', 'task_instance_history', ''),
        ('INSERT', '', 'task_instance_history', ''),
        ('SELECT', 'run_id execution_date task_id map_index', 'task_reschedule', '!task_reschedule.ti_id'),
        ('SELECT', 'try_number', 'task_reschedule', '!task_reschedule.ti_id'),
        ('SELECT', 'execution_date', 'task_fail xcom rendered_task_instance_fields sla_miss', '!task_instance.map_index'),
        ('SELECT', 'id', 'job', 'task_instance.job_id'),
        ('UPDATE', 'state', 'job', 'task_instance.job_id'),
        ('SELECT', 'deadline_alert_id missed', 'deadline', 'deadline_alert.reference'),
        ('UPDATE', 'deadline_time last_updated_at', 'deadline', 'deadline_alert.reference')
    ) AS list (privileges, columns, names, condition),
        regexp_split_to_table(privileges, ', ') AS privilege, regexp_split_to_table(names, ' ') AS name
    WHERE to_regclass(name) IS NOT NULL AND (condition = '' OR condition LIKE '!%' <> EXISTS (
        SELECT FROM pg_attribute
        WHERE attrelid = to_regclass(split_part(trim('!' FROM condition), '.', 1)) AND attname = split_part(condition, '.', 2)
            AND NOT attisdropped));
    FOR needed IN SELECT DISTINCT name FROM windsock_grants LOOP
        EXECUTE format('REVOKE ALL ON TABLE %s FROM %I', needed.name, role_name);
    END LOOP;
    FOR needed IN
        -- Rights to delete and insert do not name columns.
        SELECT name, privilege, CASE WHEN privilege IN ('SELECT', 'UPDATE') THEN format('(%s)', (
            SELECT string_agg(quote_ident(attname), ', ') FROM pg_attribute
            WHERE attrelid = name AND attname = ANY (string_to_array(columns, ' ')) AND NOT attisdropped
        )) ELSE '' END AS columns
        FROM windsock_grants
    LOOP
        CONTINUE WHEN needed.columns = '()';
        EXECUTE format('GRANT %s %s ON TABLE %s TO %I', needed.privilege, needed.columns, needed.name, role_name);
    END LOOP;
    FOR needed IN SELECT unnest(ARRAY['dag_run_id_seq', 'slot_pool_id_seq', 'log_id_seq', 'task_instance_history_id_seq']) AS name LOOP
        CONTINUE WHEN to_regclass(needed.name) IS NULL;
        EXECUTE format('GRANT USAGE ON SEQUENCE %I TO %I', needed.name, role_name);
    END LOOP;
END $$;
