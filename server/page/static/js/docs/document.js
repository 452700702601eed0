/** Reads an OpenAPI document: its operations in groups, and what its references name. */

const METHODS = ["get", "post", "put", "patch", "delete"];

/** @typedef {{ method: string, path: string, operationId: string, summary?: string, description?: string, parameters?: any[], requestBody?: any, responses: Record<string, any>, tags?: string[], security?: any[] }} Operation */

/**
 * @param {any} document
 * @returns {{ name: string, description?: string, operations: Operation[] }[]} in the order of the document's tags
 */
export function operationsOf(document) {
  const all = Object.entries(document.paths).flatMap(([path, item]) =>
    METHODS.filter((method) => item[method]).map((method) => ({
      ...item[method],
      method,
      path,
      parameters: [...(item.parameters ?? []), ...(item[method].parameters ?? [])],
    })),
  );
  return document.tags
    .map((tag) => ({ ...tag, operations: all.filter((one) => one.tags?.includes(tag.name)) }))
    .filter((group) => group.operations.length);
}

/**
 * @param {any} document
 * @param {any} value what may be a reference
 * @returns {any} what it refers to, with what stands beside the reference
 */
export function resolved(document, value) {
  if (!value?.$ref) return value;
  const { $ref, ...beside } = value;
  const target = $ref
    .slice(2)
    .split("/")
    .reduce((part, name) => part?.[name], document);
  return { ...resolved(document, target), ...beside };
}

/**
 * @param {{ $ref?: string }} value
 * @returns {string} the name of what it refers to, or ""
 */
export const referenceName = (value) => value?.$ref?.split("/").at(-1) ?? "";
