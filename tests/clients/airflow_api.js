// A call of npm's airflow-api: node airflow_api.js URL METHOD [JSON of an argument]...
const { client } = require(process.env.AIRFLOW_API);

const [url, method, ...args] = process.argv.slice(2);
new client({ airflowUrl: url })[method](...args.map((arg) => JSON.parse(arg))).then(
  (answer) => console.log(JSON.stringify({ answer })),
  (error) => console.log(JSON.stringify({ error })),
);
