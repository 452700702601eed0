-- The queries of `windsock db backup` and `windsock db restore`, and the statements that clear the schema before a restore.

-- name: bound_waiting
-- Like pg_dump and the restore, these queries wait for a locked table, but not for ever.
SET lock_timeout = '10s';

-- name: server
-- The server's major release, the schema for tables without one, the user and database of this session, and when the
-- server was started, which identifies it.
SELECT current_setting('server_version_num')::integer / 10000 AS major, current_schema() AS schema,
    session_user::text AS role, current_database()::text AS database,
    extract(epoch FROM pg_postmaster_start_time())::text AS instance;

-- name: objects
-- The names of what `clear` drops, without sequences.
SELECT DISTINCT name::text FROM (
    SELECT relname AS name, 'pg_class'::regclass AS catalog, oid, relnamespace AS home FROM pg_class
    WHERE relkind IN ('r', 'p', 'f', 'v', 'm')
    UNION ALL
    SELECT proname, 'pg_proc'::regclass, oid, pronamespace FROM pg_proc
    UNION ALL
    SELECT typname, 'pg_type'::regclass, oid, typnamespace FROM pg_type WHERE typtype IN ('d', 'e')
) AS objects
WHERE home = (SELECT oid FROM pg_namespace WHERE nspname = current_schema()) AND NOT EXISTS (
    SELECT FROM pg_depend d WHERE d.objid = objects.oid AND d.classid = objects.catalog AND d.deptype = 'e'
)
ORDER BY 1;

-- name: count_dag
SELECT count(*) FROM dag;

-- name: count_dag_run
SELECT count(*) FROM dag_run;

-- name: count_users
SELECT count(*) FROM users;

-- name: count_windsock_token
SELECT count(*) FROM windsock_token;

-- name: count_slot_pool
-- The pool that every database begins with does not count.
SELECT count(*) FROM slot_pool WHERE pool <> 'default_pool';

-- name: count_log
SELECT count(*) FROM log;

-- name: sessions
-- Other sessions of Windsock in this database; Postgres' own processes have no user.
SELECT count(*) FROM pg_stat_activity
WHERE datname = current_database() AND usesysid IS NOT NULL AND pid <> pg_backend_pid()
    AND application_name = current_setting('application_name');

-- name: begin
-- The first lines of a restore; psql commits at its end, or never. `instance` is that of the server that was checked.
BEGIN;
SET LOCAL lock_timeout = '10s';
SET LOCAL client_min_messages = warning;
SET LOCAL windsock.instance = :'instance';
DO $$
BEGIN
    IF extract(epoch FROM pg_postmaster_start_time())::text <> current_setting('windsock.instance') THEN
        RAISE EXCEPTION 'this is not the server that was checked, or it was restarted';
    END IF;
END
$$;

-- name: clear
-- Drops everything in the schema that belongs to no extension. Without CASCADE: objects elsewhere that depend on it stop it.
DO $$
DECLARE
    home oid := (SELECT oid FROM pg_namespace WHERE nspname = current_schema());
    command text;
    detail text;
BEGIN
    FOR command IN
        SELECT format('DROP %s IF EXISTS %s', kind, string_agg(name, ', '))
        FROM (
            SELECT
                CASE relkind WHEN 'v' THEN 1 WHEN 'm' THEN 2 WHEN 'f' THEN 3 WHEN 'S' THEN 5 ELSE 4 END AS turn,
                CASE relkind WHEN 'v' THEN 'VIEW' WHEN 'm' THEN 'MATERIALIZED VIEW' WHEN 'f' THEN 'FOREIGN TABLE'
                    WHEN 'S' THEN 'SEQUENCE' ELSE 'TABLE' END AS kind,
                oid::regclass::text AS name, 'pg_class'::regclass AS catalog, oid
            FROM pg_class WHERE relnamespace = home AND relkind IN ('r', 'p', 'f', 'v', 'm', 'S')
            UNION ALL
            SELECT 6, 'ROUTINE', oid::regprocedure::text, 'pg_proc'::regclass, oid FROM pg_proc WHERE pronamespace = home
            UNION ALL
            SELECT 7, CASE typtype WHEN 'd' THEN 'DOMAIN' ELSE 'TYPE' END, oid::regtype::text, 'pg_type'::regclass, oid
            FROM pg_type WHERE typnamespace = home AND typtype IN ('d', 'e')
        ) AS objects
        WHERE NOT EXISTS (
            SELECT FROM pg_depend d WHERE d.objid = objects.oid AND d.classid = objects.catalog AND d.deptype = 'e'
        )
        GROUP BY turn, kind ORDER BY turn
    LOOP
        BEGIN
            EXECUTE command;
        EXCEPTION WHEN dependent_objects_still_exist THEN
            -- Only the detail names the objects.
            GET STACKED DIAGNOSTICS detail = PG_EXCEPTION_DETAIL;
            RAISE EXCEPTION '%: %', SQLERRM, replace(left(detail, 500), E'\n', '; ');
        END;
    END LOOP;
END
$$;

-- name: commit
COMMIT;
