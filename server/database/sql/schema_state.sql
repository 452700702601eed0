-- The statements of `server.database.schema`; the schema itself is `schema.sql`.

-- name: is_airflow
SELECT to_regclass('alembic_version') IS NOT NULL;

-- name: is_marked
SELECT to_regclass('windsock_schema') IS NOT NULL;

-- name: version
SELECT max(version) FROM windsock_schema;

-- name: note_version
INSERT INTO windsock_schema (version) VALUES ($1) ON CONFLICT DO NOTHING;
