/**
 * Who is signed in and what this user may do, as `GET /whoami` says it. The server decides; this only keeps the page from
 * offering what would be refused.
 *
 *   can("can_edit", "DAGs", dagId)      also as context.can(...) in a view; without a dagId: for at least one DAG
 *   user()                              -> { name, backend, roles }, or null before anyone has signed in
 */

/** @typedef {{ permission: string, dags: string[][] | null }} Grant */

/** @type {{ name: string | null, backend: string, roles: string[] } | null} */
let current = null;
/** @type {Map<string, (string[][] | null)[]>} */
let grants = new Map();

/** @returns {{ name: string | null, backend: string, roles: string[] } | null} `name` is null if nobody need sign in */
export const user = () => current;

/**
 * @param {{ user: string | null, backend: string, roles: string[], permissions: Grant[] } | null} whoami null: nobody
 */
export function setUser(whoami) {
  grants = new Map();
  current = whoami && { name: whoami.user, backend: whoami.backend, roles: whoami.roles };
  for (const { permission, dags } of whoami?.permissions ?? []) {
    grants.set(permission, [...(grants.get(permission) ?? []), dags]);
  }
}

/**
 * @param {string} action "can_read", "can_create", "can_edit" or "can_delete"
 * @param {string} resource "DAGs", "DAG Runs", "Task Instances", "Task Logs", "DAG Code", "Pools" or "ImportError"
 * @param {string} [dagId]
 * @returns {boolean}
 */
export const can = (action, resource, dagId) =>
  (grants.get(`${action} on ${resource}`) ?? []).some((dags) => covers(dags, dagId));

/**
 * @param {string} action
 * @param {string} resource
 * @returns {boolean} whether it counts for every DAG
 */
export const canEverywhere = (action, resource) => (grants.get(`${action} on ${resource}`) ?? []).includes(null);

// A DAG must match one pattern of each list.
const covers = (dags, dagId) =>
  dags === null || dagId === undefined || dags.every((patterns) => patterns.some((one) => matches(one, dagId)));

// `*` stands for any text. Each part is taken at its first place, so it takes linear time.
function matches(pattern, dagId) {
  const [first, ...others] = pattern.split("*");
  if (others.length === 0) return pattern === dagId;
  const last = others.pop();
  if (!dagId.startsWith(first) || !dagId.endsWith(last)) return false;
  let place = first.length;
  for (const part of others) {
    const found = dagId.indexOf(part, place);
    if (found < 0) return false;
    place = found + part.length;
  }
  return place <= dagId.length - last.length;
}
