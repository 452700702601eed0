-- What a database is; every statement here runs before anything else is known of it.

-- name: tables
-- The tables that exist: statements for tables that a release lacks are left out.
SELECT tablename FROM pg_tables WHERE schemaname = ANY (current_schemas(false))

-- name: columns
-- The columns that they have: minor releases add and drop some.
SELECT c.relname || '.' || a.attname
FROM pg_attribute AS a JOIN pg_class AS c ON c.oid = a.attrelid
WHERE c.relnamespace = ANY (SELECT oid FROM pg_namespace WHERE nspname = ANY (current_schemas(false)))
    AND c.relkind IN ('r', 'p') AND a.attnum > 0 AND NOT a.attisdropped

-- name: revisions
-- The tables of roles come without a new revision: with 1.10's RBAC interface, or another auth manager in 3.x.
SELECT version_num, to_regclass('ab_role') IS NOT NULL AS has_roles FROM alembic_version
