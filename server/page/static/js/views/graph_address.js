/** Where `dag_run_url` leads: /admin/airflow/graph?dag_id=&execution_date=. The run's own address takes its place. */

import { get } from "../api.js";

/** @type {import("../router.js").View} */
export async function show(_main, _params, context) {
  const dagId = context.query.get("dag_id");
  const date = context.query.get("execution_date");
  if (!dagId) return context.navigate([], { replace: true });
  if (!date) return context.navigate(["dags", dagId], { replace: true });
  const path = ["dags", dagId, "dag_runs", date];
  const run = await get(path, { query: { details: true }, signal: context.signal });
  return context.navigate(["dags", dagId, "runs", run.run_id], { replace: true });
}
