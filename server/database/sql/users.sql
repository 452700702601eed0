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
