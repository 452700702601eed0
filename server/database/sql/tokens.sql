-- The bearer tokens of a standalone database.

-- name: list_tokens
SELECT name, digest, role, dags, created, expires, last_used FROM windsock_token ORDER BY name

-- name: create_token
-- Returns nothing if the name is taken, or if there are too many already.
INSERT INTO windsock_token (name, digest, role, dags, created, expires)
SELECT $1, $2, $3, $4, $5, $6 WHERE (SELECT count(*) FROM windsock_token) < $7
ON CONFLICT (name) DO NOTHING
RETURNING name

-- name: revoke_token
DELETE FROM windsock_token WHERE name = $1 RETURNING name

-- name: note_tokens_used
-- Only the first process that sees a token on a day writes it.
UPDATE windsock_token SET last_used = $2 WHERE digest = ANY ($1::bytea[]) AND (last_used IS NULL OR last_used < $2)
