/**
 * What is known of a run and of its tasks: read, and read again when it changes.
 *
 *   const data = new RunData(dagId, runId, context)
 *   await data.load();   data.run, data.instances, data.total
 *   data.tasks                       // those of the DAG, in order; empty until somebody sets them
 *   data.watch(() => ...)            // hears of each change, until data.stop()
 *   data.whenGone = () => ...        // is called if the run was deleted
 */

import { request, runPath, text } from "../../api.js";
import { exactJson } from "../../exact_json.js";
import { calmly, subscribe } from "../../live.js";

const MOST_INSTANCES = 1000;
const MOST_EVER = 30_000;
/**
 * Beside an Airflow nobody tells of tasks, so somebody must look; and nobody tells that an ended run was deleted. In
 * milliseconds.
 */
const PAUSE = { underWay: 5000, ended: 30_000 };
const ENDED = new Set(["success", "failed"]);

export class RunData {
  /**
   * @param {string} dagId
   * @param {string} runId
   * @param {object} context see router.js
   */
  constructor(dagId, runId, context) {
    this.dagId = dagId;
    this.path = runPath(dagId, { run_id: runId });
    this.signal = context.signal;
    this.mayReadTasks = context.can("can_read", "Task Instances", dagId);
    this.limit = MOST_INSTANCES;
    this.run = null;
    this.tasks = [];
    this.instances = [];
    this.total = 0;
    this.whenGone = () => {};
    this.watchers = new Set();
    this.refresh = calmly(() => this.reload(), 1000);
    this.unsubscribe = subscribe({ dagId, runId }, this.refresh);
  }

  get isEnded() {
    return ENDED.has(this.run.state);
  }

  /** Reads the run and its tasks; throws ApiError. */
  async load() {
    const [run, instances] = await Promise.all([
      text(this.path, { query: { details: true }, signal: this.signal }),
      this.mayReadTasks ? this.readInstances() : { data: [], headers: new Headers() },
    ]);
    this.run = exactJson(run.text);
    this.instances = instances.data;
    this.total = Number(instances.headers.get("X-Total-Count") ?? this.instances.length);
    this.again();
  }

  /** Reads until it has the instances of a task, if the run has very many. */
  async loadUntil(taskId) {
    while (this.of(taskId).length === 0 && this.instances.length < Math.min(this.total, MOST_EVER)) {
      this.limit *= 4;
      await this.load();
    }
  }

  readInstances() {
    return request("GET", [...this.path, "tasks"], { query: { limit: this.limit }, signal: this.signal });
  }

  /** Reads more of the tasks than before. */
  more() {
    this.limit += MOST_INSTANCES;
    return this.reload();
  }

  /** Reads both again, and tells those who watch; what goes wrong is the connection's, which the header shows. */
  async reload() {
    try {
      await this.load();
    } catch (error) {
      if (error.name === "AbortError") return;
      if (error.status === 404) this.whenGone();
      else this.again();
      return;
    }
    for (const watcher of this.watchers) watcher();
  }

  again() {
    clearTimeout(this.timer);
    if (this.signal.aborted) return;
    this.timer = setTimeout(this.refresh, this.isEnded ? PAUSE.ended : PAUSE.underWay);
  }

  /** @param {() => void} watcher hears of each change */
  watch(watcher) {
    this.watchers.add(watcher);
    return () => this.watchers.delete(watcher);
  }

  stop() {
    this.unsubscribe();
    this.refresh.cancel();
    clearTimeout(this.timer);
    this.watchers.clear();
  }

  /**
   * @param {string} taskId
   * @returns {object[]} the instances of a task: several if it is mapped
   */
  of(taskId) {
    return this.instances.filter((instance) => instance.task_id === taskId);
  }
}
