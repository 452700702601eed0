-- The users who may authenticate. If both tables exist (1.10 with its RBAC interface), the experimental API uses `users`.

-- name: find_users
-- Airflow 1.10 compares names exactly.
SELECT u.username, u.password
FROM unnest($1::text[]) WITH ORDINALITY AS requested (name, n)
LEFT JOIN users AS u ON u.username = requested.name
ORDER BY requested.n

-- name: find_ab_users
-- Airflow 2 accepts an e-mail address if there is no such name.
SELECT u.username, u.password
FROM unnest($1::text[]) WITH ORDINALITY AS requested (name, n)
LEFT JOIN LATERAL (
    {ab_user(requested.name, true)}
) AS u ON u.active AND u.same = 1
ORDER BY requested.n

-- name: sample_users
-- Hashes of a few users: an unknown user must be as costly to verify as a known one.
SELECT password FROM users WHERE password IS NOT NULL ORDER BY id DESC LIMIT 100

-- name: sample_ab_users
SELECT password FROM ab_user WHERE password IS NOT NULL AND active ORDER BY id DESC LIMIT 100

-- name: list_users
SELECT id, username, email, superuser FROM users ORDER BY username

-- name: create_user
INSERT INTO users (username, email, password, superuser) VALUES ($1, $2, $3, true)
ON CONFLICT (username) DO NOTHING
RETURNING id

-- name: change_password
UPDATE users SET password = $2 WHERE username = $1 RETURNING id

-- name: delete_user
DELETE FROM users WHERE username = $1 RETURNING id

-- name: create_user_with_roles
WITH created AS (
    INSERT INTO users (username, email, password, superuser) VALUES ($1, $2, $3, true)
    ON CONFLICT (username) DO NOTHING
    RETURNING id
), given AS (
    INSERT INTO windsock_user_role (user_id, role) SELECT id, role FROM created, unnest($4::text[]) AS role
)
SELECT id FROM created

-- name: find_roles
SELECT ARRAY(
    SELECT r.role FROM windsock_user_role AS r JOIN users AS u ON u.id = r.user_id
    WHERE u.username = requested.name ORDER BY r.role
)
FROM unnest($1::text[]) WITH ORDINALITY AS requested (name, n)
ORDER BY requested.n

-- name: list_roles
SELECT user_id, array_agg(role ORDER BY role) AS roles FROM windsock_user_role GROUP BY user_id

-- name: add_role
-- The number of roles that are new: null if there is no such user.
WITH found AS (
    SELECT id FROM users WHERE username = $1
), added AS (
    INSERT INTO windsock_user_role (user_id, role) SELECT id, $2 FROM found ON CONFLICT DO NOTHING RETURNING role
)
SELECT (SELECT count(*) FROM added) FROM found

-- name: remove_role
-- The number of roles that are gone: null if there is no such user.
WITH found AS (
    SELECT id FROM users WHERE username = $1
), removed AS (
    DELETE FROM windsock_user_role WHERE user_id = (SELECT id FROM found) AND role = $2 RETURNING role
)
SELECT (SELECT count(*) FROM removed) FROM found
