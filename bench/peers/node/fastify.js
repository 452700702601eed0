// Fastify and postgres.js, which pipelines. Arguments: port, processes. PGHOST (a socket's folder), PGDATABASE, PGUSER.
const cluster = require('node:cluster')
const [port, processes] = process.argv.slice(2).map(Number)

if (processes > 1 && cluster.isPrimary) {
  for (let n = 0; n < processes; n++) cluster.fork()
} else {
  serve()
}

function serve () {
  const app = require('fastify')()
  const sql = require('postgres')({ path: `${process.env.PGHOST}/.s.PGSQL.5432`, max: 10 })
  const api = '/api/experimental'
  const url = (row) =>
    `/admin/airflow/graph?dag_id=${encodeURIComponent(row.dag_id)}&execution_date=${encodeURIComponent(row.execution_date.toISOString())}`

  app.get(`${api}/test`, async () => ({ status: 'OK' }))
  app.get(`${api}/pools/:name`, async (request) => {
    const [row] = await sql`SELECT id, pool, slots, description FROM slot_pool WHERE pool = ${request.params.name}`
    return row
  })
  app.get(`${api}/pools`, () => sql`SELECT id, pool, slots, description FROM slot_pool ORDER BY id`)
  app.get(`${api}/dags/:dag/dag_runs/:date`, async ({ params }) => {
    const [row] = await sql`SELECT state FROM dag_run WHERE dag_id = ${params.dag} AND execution_date = ${params.date}`
    return row
  })
  app.get(`${api}/dags/:dag/dag_runs/:date/tasks/:task`, async ({ params }) => {
    const [row] = await sql`SELECT * FROM task_instance
      WHERE task_id = ${params.task} AND dag_id = ${params.dag} AND execution_date = ${params.date}`
    return row
  })
  app.get(`${api}/dags/:dag/dag_runs`, async ({ params }) => {
    const rows = await sql`SELECT dag_id, execution_date, id, run_id, start_date, state FROM dag_run
      WHERE dag_id = ${params.dag} ORDER BY execution_date`
    return rows.map((row) => ({ ...row, dag_run_url: url(row) }))
  })
  app.get(`${api}/latest_runs`, async () => {
    const rows = await sql`SELECT * FROM latest_runs()`
    return { items: rows.map((row) => ({ ...row, dag_run_url: url(row) })) }
  })
  app.post(`${api}/dags/:dag/dag_runs`, async ({ params, body }) => {
    await sql`INSERT INTO dag_run (dag_id, run_id, execution_date, state, external_trigger, start_date)
      VALUES (${params.dag}, ${body.run_id}, ${body.execution_date}, 'running', true, now())`
    return { execution_date: body.execution_date, run_id: body.run_id, message: `Created <DagRun ${params.dag}>` }
  })
  app.listen({ port, host: '127.0.0.1', backlog: 4096 })
}
