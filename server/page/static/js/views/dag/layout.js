/**
 * Lays a graph out in layers, from left to right: longest paths give the layers, barycentres the order in each, and
 * dummy nodes lead edges that are longer than a layer around what lies between. Pure arithmetic, without a document.
 */

import { countCrossings, orderLayers } from "./ordering.js";

/** The space between layers and between the nodes of one, in pixels. */
const GAP = { layer: 56, node: 16, dummy: 6 };
const SWEEPS = 6;
/** With more dummy nodes than this, long edges go straight: a graph must not stop the page. */
const MOST_DUMMIES = 20_000;

/**
 * @typedef {{id: string, upstream: string[], width: number, height: number}} Vertex
 * @typedef {{id: string, x: number, y: number, width: number, height: number, layer: number}} Placed
 * @typedef {{from: string, to: string, points: {x: number, y: number}[]}} Edge
 */

/**
 * Places the vertices and leads the edges. Edges to unknown vertices are left out, and those that close a circle.
 * @param {Vertex[]} vertices in any order; sizes are in pixels
 * @returns {{nodes: Placed[], edges: Edge[], width: number, height: number}} x and y are upper left corners
 */
export function layout(vertices) {
  const nodes = new Map(vertices.map(({ id, width, height }) => [id, node(id, width, height)]));
  const edges = connect(vertices, nodes);
  assignLayers([...nodes.values()]);
  const layers = orderLayers(withDummies([...nodes.values()], edges), countCrossings);
  const width = placeAcross(layers);
  const height = placeAlong(layers);
  return {
    nodes: [...nodes.values()].map(({ id, x, y, width: w, height: h, layer }) => ({
      id,
      x,
      y: y - h / 2,
      width: w,
      height: h,
      layer,
    })),
    edges: edges.map(({ from, to, through }) => ({ from: from.id, to: to.id, points: pointsOf(from, through, to) })),
    width,
    height,
  };
}

function node(id, width, height) {
  return { id, width, height, layer: 0, x: 0, y: 0, before: [], after: [], isDummy: id === null };
}

/** Returns the edges that close no circle, and tells the nodes their neighbours. */
function connect(vertices, nodes) {
  const edges = [];
  for (const vertex of vertices) {
    for (const name of new Set(vertex.upstream)) {
      if (nodes.has(name) && name !== vertex.id)
        edges.push({ from: nodes.get(name), to: nodes.get(vertex.id), through: [] });
    }
  }
  for (const { from, to } of edges) join(from, to);
  const inOrder = new Map(topological([...nodes.values()]).map((each, place) => [each, place]));
  for (const each of nodes.values()) [each.before, each.after] = [[], []];
  const acyclic = edges.filter(({ from, to }) => inOrder.get(from) < inOrder.get(to));
  for (const { from, to } of acyclic) join(from, to);
  return acyclic;
}

function join(from, to) {
  from.after.push(to);
  to.before.push(from);
}

/** Returns the nodes, each after those before it; what is in a circle comes last, in the order in which it was given. */
function topological(nodes) {
  const missing = new Map(nodes.map((each) => [each, each.before.length]));
  const sorted = nodes.filter((each) => each.before.length === 0);
  for (const each of sorted) {
    for (const next of each.after) {
      missing.set(next, missing.get(next) - 1);
      if (missing.get(next) === 0) sorted.push(next);
    }
  }
  const done = new Set(sorted);
  return [...sorted, ...nodes.filter((each) => !done.has(each))];
}

/** Puts each node a layer after the last one before it, and those that begin the graph just before what they feed. */
function assignLayers(nodes) {
  const sorted = topological(nodes);
  for (const each of sorted) each.layer = Math.max(-1, ...each.before.map(({ layer }) => layer)) + 1;
  for (const each of sorted) {
    if (each.before.length === 0 && each.after.length > 0) {
      each.layer = Math.min(...each.after.map(({ layer }) => layer)) - 1;
    }
  }
}

/** Returns all nodes, with a dummy node in each layer that an edge crosses; edges know theirs, as neighbours do. */
function withDummies(nodes, edges) {
  const needed = edges.reduce((sum, { from, to }) => sum + to.layer - from.layer - 1, 0);
  if (needed > MOST_DUMMIES) return nodes;
  const dummies = [];
  for (const each of nodes) [each.before, each.after] = [[], []];
  for (const edge of edges) {
    let last = edge.from;
    for (let layer = last.layer + 1; layer < edge.to.layer; layer += 1) {
      const dummy = Object.assign(node(null, 0, 0), { layer });
      join(last, dummy);
      edge.through.push(dummy);
      last = dummy;
    }
    join(last, edge.to);
    dummies.push(...edge.through);
  }
  return [...nodes, ...dummies];
}

/** Gives each layer its x, and returns the width of all. */
function placeAcross(layers) {
  let x = 0;
  for (const layer of layers) {
    const width = Math.max(...layer.map((each) => each.width));
    for (const each of layer) {
      each.x = x;
      if (each.isDummy) each.width = width;
    }
    x += width + GAP.layer;
  }
  return Math.max(0, x - GAP.layer);
}

/** Gives each node the y of its middle, near its neighbours, and returns the height of all. */
function placeAlong(layers) {
  for (const layer of layers)
    spread(
      layer,
      layer.map(() => 0),
    );
  for (let sweep = 0; sweep < SWEEPS; sweep += 1) {
    for (const layer of layers)
      spread(
        layer,
        layer.map((each) => middleOf(each, each.before)),
      );
    for (const layer of layers.toReversed())
      spread(
        layer,
        layer.map((each) => middleOf(each, each.after)),
      );
  }
  const all = layers.flat();
  const top = all.reduce((least, each) => Math.min(least, each.y - each.height / 2), Infinity);
  for (const each of all) each.y -= top;
  return all.reduce((most, each) => Math.max(most, each.y + each.height / 2), 0);
}

function middleOf(each, neighbours) {
  return neighbours.length === 0 ? each.y : neighbours.reduce((sum, { y }) => sum + y, 0) / neighbours.length;
}

/**
 * Places the nodes of a layer as near to where they want to be as their order and the space between them allow. Without
 * the space they need, the wishes must not decrease: neighbours whose wishes do share their mean (isotonic regression).
 */
function spread(layer, wishes) {
  const offsets = [];
  let offset = 0;
  layer.forEach((each, place) => {
    if (place > 0) offset += distance(layer[place - 1], each);
    offsets.push(offset);
  });
  const blocks = [];
  wishes.forEach((wish, place) => {
    let block = { sum: wish - offsets[place], count: 1 };
    while (blocks.length > 0 && mean(blocks.at(-1)) > mean(block)) {
      const { sum, count } = blocks.pop();
      block = { sum: block.sum + sum, count: block.count + count };
    }
    blocks.push(block);
  });
  let place = 0;
  for (const block of blocks) {
    for (let rest = block.count; rest > 0; rest -= 1, place += 1) layer[place].y = mean(block) + offsets[place];
  }
}

function mean({ sum, count }) {
  return sum / count;
}

function distance(one, other) {
  return (one.height + other.height) / 2 + (one.isDummy || other.isDummy ? GAP.dummy : GAP.node);
}

/** Returns where an edge goes: right out of `from`, straight along each dummy, and left into `to`. */
function pointsOf(from, through, to) {
  return [
    { x: from.x + from.width, y: from.y },
    ...through.flatMap(({ x, y, width }) => [
      { x, y },
      { x: x + width, y },
    ]),
    { x: to.x, y: to.y },
  ];
}
