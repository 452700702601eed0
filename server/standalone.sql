-- name: first_dag
-- The DAG that the first curl line names: the example where it is there, else one that is not paused.
SELECT dag_id
FROM dag
WHERE is_active
ORDER BY dag_id = 'example_bash_operator' DESC, is_paused, dag_id
LIMIT 1
