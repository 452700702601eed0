"""Roles and users in the tables of Flask-AppBuilder, without an Airflow."""

from collections.abc import Iterable, Mapping

import asyncpg

from tests.airflow.schemas import FOLDER

_TABLES = FOLDER.parent / "seed" / "roles.sql"
_ADD_ROLE = """
WITH pairs AS (SELECT action, resource FROM unnest($2::text[], $3::text[]) AS pairs (action, resource)),
role AS (INSERT INTO ab_role (name) VALUES ($1) RETURNING id),
actions AS (
    INSERT INTO ab_permission (name) SELECT DISTINCT action FROM pairs ON CONFLICT DO NOTHING RETURNING id, name
), resources AS (
    INSERT INTO ab_view_menu (name) SELECT DISTINCT resource FROM pairs ON CONFLICT DO NOTHING RETURNING id, name
),
made AS (
    INSERT INTO ab_permission_view (permission_id, view_menu_id)
    SELECT action.id, resource.id FROM pairs
    JOIN (TABLE actions UNION ALL SELECT id, name FROM ab_permission) AS action ON action.name = pairs.action
    JOIN (TABLE resources UNION ALL SELECT id, name FROM ab_view_menu) AS resource ON resource.name = pairs.resource
    ON CONFLICT (permission_id, view_menu_id) DO UPDATE SET permission_id = excluded.permission_id RETURNING id
)
INSERT INTO ab_permission_view_role (permission_view_id, role_id) SELECT made.id, role.id FROM made, role
"""
_ADD_USER = """
WITH person AS (
    INSERT INTO ab_user (username, email, active, password) VALUES ($1, $2, $3, $4) RETURNING id
)
INSERT INTO ab_user_role (user_id, role_id)
SELECT person.id, ab_role.id FROM person, ab_role WHERE ab_role.name = ANY ($5)
"""


async def make_roles(connection: asyncpg.Connection, roles: Mapping[str, Iterable[tuple[str, str]]]) -> None:
    """Make the tables, and roles with these permissions."""
    await connection.execute(_TABLES.read_text("utf-8"))
    for name, pairs in roles.items():
        await add_role(connection, name, pairs)


async def add_role(connection: asyncpg.Connection, name: str, pairs: Iterable[tuple[str, str]]) -> None:
    """Add a role with these permissions: actions and resources."""
    each = [*pairs]
    await connection.execute(_ADD_ROLE, name, [action for action, _ in each], [resource for _, resource in each])


async def add_user(
    connection: asyncpg.Connection, name: str, *roles: str, email: str = "", active: bool = True, password: str = ""
) -> None:
    """Add a user with these roles."""
    await connection.execute(_ADD_USER, name, email or f"{name}@example.org", active, password, list(roles))
