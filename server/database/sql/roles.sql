-- What the roles of an Airflow's users may do: the tables of Flask-AppBuilder. Each statement answers with one row: `roles`,
-- their names, and `permissions`, a JSON array of [action, resource, dag_ids or null] for the actions and resources that the
-- API knows, each pair once: many grants for single DAGs make one entry. Airflow 3's groups give nothing in its own API, so
-- they do not here.

-- Fragments here say how Airflow 1.10 has it; newer.sql has fragments of the same names.

-- fragment: ab_user_id
-- 1.10's API authenticates users of another table, `users`, whose names it compares exactly.
SELECT id FROM ab_user WHERE username = $1 AND active AND $2::boolean IS NOT NULL

-- fragment: permission_of_dags
-- The resource of a permission for one DAG is its dag_id.
CASE WHEN action IN ('can_dag_read', 'can_dag_edit') THEN 'all_dags' ELSE resource END AS resource,
CASE WHEN action IN ('can_dag_read', 'can_dag_edit') THEN nullif(resource, 'all_dags') END AS dag_id

-- fragment: permissions_of(roles, actions, resources)
SELECT array(SELECT name FROM {roles} ORDER BY name) AS roles, (
    SELECT coalesce(json_agg(json_build_array(action, resource, dag_ids)), '[]')::text
    FROM (
        SELECT action, resource, CASE WHEN count(dag_id) = count(*) THEN array_agg(DISTINCT dag_id) END AS dag_ids
        FROM (
            SELECT action,
                {permission_of_dags}
            FROM (
                SELECT action.name AS action, resource.name AS resource
                FROM {roles} AS role
                JOIN ab_permission_view_role AS given ON given.role_id = role.id
                JOIN ab_permission_view AS pair ON pair.id = given.permission_view_id
                JOIN ab_permission AS action ON action.id = pair.permission_id
                -- Without a name it would pass for all DAGs.
                JOIN ab_view_menu AS resource ON resource.id = pair.view_menu_id AND resource.name IS NOT NULL
            ) AS pairs
        ) AS named
        WHERE action = ANY ({actions}::text[]) AND resource = ANY ({resources}::text[])
        GROUP BY action, resource
    ) AS granted
) AS permissions

-- name: user_permissions
-- $2 says whether an e-mail address is a name too.
-- only if ab_permission_view_role.role_id
WITH person AS MATERIALIZED (
    {ab_user_id}
), held AS MATERIALIZED (
    SELECT ab_role.id, ab_role.name
    FROM person
    JOIN ab_user_role ON ab_user_role.user_id = person.id
    JOIN ab_role ON ab_role.id = ab_user_role.role_id
)
{permissions_of(held, $3, $4)}

-- name: role_permissions
-- only if ab_permission_view_role.role_id
WITH held AS MATERIALIZED (
    SELECT id, name FROM ab_role WHERE name = $1
)
{permissions_of(held, $2, $3)}
