/** What the list of DAGs asks the server for. */

import { request } from "../../api.js";

/** Rows of a page. */
export const PAGE_SIZE = 25;

/**
 * @param {Record<string, any>} query of the address
 * @param {import("../../api.js").Options} options
 * @returns {Promise<import("../../api.js").Answer>} a page of the list, and in X-Total-Count how many there are
 */
export function askForDags({ page, gone, ...query }, options) {
  const offset = (pageOf({ page }) - 1) * PAGE_SIZE;
  const wanted = { ...query, active: !gone, details: true, limit: PAGE_SIZE, offset };
  return request("GET", ["dags"], { query: wanted, ...options });
}

/**
 * @param {{ page?: string | number | null }} query
 * @returns {number} from 1
 */
export const pageOf = ({ page }) => Math.max(1, Math.trunc(Number(page)) || 1);
