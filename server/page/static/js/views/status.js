/** Whether all is well: database, scheduler, versions, DAG files; and who is looking. */

import { get, health, request } from "../api.js";
import { regularly } from "../clock.js";
import { h, link, replace } from "../dom.js";
import { calmly, watchConnection } from "../live.js";
import { canEverywhere, user } from "../permissions.js";
import { ago, zoneName } from "../time.js";

// In seconds: nothing of this comes as an event.
const EVERY = 15;
const WORDS = { true: ["good", "✓"], false: ["bad", "✕"], null: ["unknown", "?"] };

/** @type {import("../router.js").View} */
export async function show(main, _params, context) {
  const place = h("div", { class: "status-cards" });
  replace(main, h("h1", null, "Status"), place);
  let shown = "";
  const load = async () => {
    const found = await read(context);
    const text = JSON.stringify(found);
    if (context.signal.aborted || text === shown) return;
    shown = text;
    replace(place, cards(found));
  };
  const again = calmly(load, 1000);
  const forget = watchConnection(again);
  regularly(load, EVERY, context.signal);
  await load();
  return () => {
    again.cancel();
    forget();
  };
}

async function read(context) {
  const { signal } = context;
  const errors = context.can("can_read", "ImportError")
    ? request("GET", ["import_errors"], { query: { limit: 1 }, signal }).then(total)
    : null;
  const [answer, version, failed] = await Promise.all(
    [health({ signal }), get(["version"], { signal }), errors].map(quietly),
  );
  return { answer, version, failed };
}

const quietly = (promise) => Promise.resolve(promise).catch(() => null);
const total = ({ data, headers }) => Number(headers.get("X-Total-Count") ?? data.length);

const cards = ({ answer, version, failed }) => [
  databaseCard(answer, version),
  schedulerCard(answer),
  failed === null ? null : filesCard(failed),
  versionsCard(version),
  readerCard(),
];

function card(title, good, headline, ...more) {
  const [name, sign] = WORDS[good] ?? ["", ""];
  return h(
    "section",
    { class: ["card", "status-card", name && `status-${name}`] },
    h("h2", null, title),
    headline
      ? h(
          "p",
          { class: "status-headline" },
          sign ? h("span", { class: "status-sign", "aria-hidden": "true" }, sign) : null,
          headline,
        )
      : null,
    more,
  );
}

function databaseCard(answer, version) {
  if (answer === null) {
    return card("Service", false, "The service does not answer", h("p", null, "This page tries again by itself."));
  }
  const good = answer.metadatabase.status === "healthy";
  return card(
    "Database",
    good,
    good ? "The database answers" : "The database does not answer",
    good
      ? version?.database && h("p", { class: "muted" }, version.database)
      : h(
          "p",
          null,
          "Nothing can be read or triggered until it is back. Windsock tries again by itself; its log says why.",
        ),
  );
}

function schedulerCard(answer) {
  if (answer === null || answer.metadatabase.status !== "healthy") return card("Scheduler", null, "Not known now");
  const { status, latest_scheduler_heartbeat: heartbeat } = answer.scheduler;
  const last = heartbeat ? h("p", { class: "muted" }, "Last heartbeat ", ago(heartbeat)) : null;
  if (status === "healthy") return card("Scheduler", true, "A scheduler works", last);
  return card(
    "Scheduler",
    false,
    heartbeat ? "No scheduler works" : "No scheduler has ever worked here",
    last,
    h("p", null, "Runs can be triggered, but none begins until a scheduler is started."),
  );
}

const filesCard = (failed) =>
  card(
    "DAG files",
    failed === 0,
    failed === 0 ? `All files ${whose()}are loaded` : `${failed.toLocaleString("en")} cannot be loaded`,
    failed === 0 ? null : h("p", null, link([], "What is wrong with them")),
  );

// The server counts only what one may read.
const whose = () =>
  ["DAGs", "ImportError"].every((one) => canEverywhere("can_read", one)) ? "" : "that you may read ";

function versionsCard(version) {
  if (version === null) return null;
  const facts = [
    ["Windsock", version.windsock],
    ["Airflow", version.airflow ?? "none: standalone"],
    ["Database", version.database],
    ["Schema", version.schema],
  ];
  return card("Versions", undefined, null, factList(facts));
}

function readerCard() {
  const reader = user();
  const facts = [
    ["Signed in as", reader?.name ?? "nobody has to sign in"],
    ["By", reader?.backend],
    ["Roles", reader?.roles.join(", ")],
    ["Times shown in", zoneName()],
  ];
  return card("You", undefined, null, factList(facts));
}

const factList = (facts) =>
  h(
    "dl",
    { class: "facts" },
    facts.filter(([, value]) => value).map(([name, value]) => [h("dt", null, name), h("dd", null, value)]),
  );
