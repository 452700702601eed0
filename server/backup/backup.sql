-- The queries of `windsock db backup` and `windsock db restore`, and the statements that clear the schema before a restore.

-- name: server
-- The server's major release, the schema for tables without one, and the user and database of this session.
SELECT current_setting('server_version_num')::integer / 10000 AS major, current_schema() AS schema,
    session_user::text AS role, current_database()::text AS database;

-- name: relations
-- The tables, views and sequences of that schema that belong to no extension.
SELECT c.relname FROM pg_class c
WHERE c.relnamespace = (SELECT oid FROM pg_namespace WHERE nspname = current_schema())
    AND c.relkind IN ('r', 'p', 'f', 'v', 'm')
    AND NOT EXISTS (SELECT FROM pg_depend d WHERE d.objid = c.oid AND d.classid = 'pg_class'::regclass AND d.deptype = 'e')
ORDER BY 1;

-- name: contents
-- The pool that every database begins with does not count.
SELECT
    (SELECT count(*) FROM dag) AS dags,
    (SELECT count(*) FROM dag_run) AS runs,
    (SELECT count(*) FROM users) AS users,
    (SELECT count(*) FROM slot_pool WHERE pool <> 'default_pool') AS pools,
    (SELECT count(*) FROM log) AS log_rows;

-- name: sessions
-- Other sessions of Windsock in this database; Postgres' own processes have no user.
SELECT count(*) FROM pg_stat_activity
WHERE datname = current_database() AND usesysid IS NOT NULL AND pid <> pg_backend_pid()
    AND application_name = current_setting('application_name');

-- name: begin
-- The first lines of a restore; psql commits at its end, or never.
BEGIN;
SET LOCAL lock_timeout = '10s';
SET LOCAL client_min_messages = warning;

-- name: clear
-- Drops everything in the schema that belongs to no extension. Without CASCADE: objects elsewhere that depend on it stop it.
DO $$
DECLARE
    home oid := (SELECT oid FROM pg_namespace WHERE nspname = current_schema());
    command text;
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
        EXECUTE command;
    END LOOP;
END
$$;

-- name: commit
COMMIT;
