-- name: first_dag
-- The DAG that the printed curl command names: the example if it exists, or else one that is not paused.
SELECT dag_id
FROM dag
WHERE is_active
ORDER BY dag_id = 'example_bash_operator' DESC, is_paused, dag_id
LIMIT 1
