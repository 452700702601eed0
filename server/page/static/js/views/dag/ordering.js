/** Orders the nodes within each layer of a graph, so that few edges cross. */

const ROUNDS = 12;

/**
 * Returns the layers, each a list of nodes in an order in which few edges cross.
 * @param {{layer: number, before: object[], after: object[]}[]} nodes
 * @param {(layers: object[][]) => number} cost what is to be small
 */
export function orderLayers(nodes, cost) {
  let layers = split(nodes);
  let [best, least] = [layers, cost(layers)];
  for (let round = 0; round < ROUNDS && least > 0; round += 1) {
    layers = round % 2 === 0 ? sweep(layers, "before") : sweep(layers.toReversed(), "after").toReversed();
    const crossings = cost(layers);
    if (crossings < least) [best, least] = [layers, crossings];
  }
  return best;
}

function split(nodes) {
  const layers = [];
  for (const each of nodes) {
    while (layers.length <= each.layer) layers.push([]);
    layers[each.layer].push(each);
  }
  return layers.filter((layer) => layer.length > 0);
}

/** Sorts each layer by the mean place of the neighbours on one side, those in the layer that was sorted before. */
function sweep(layers, side) {
  const places = new Map();
  return layers.map((layer) => {
    const wishes = new Map(layer.map((each, place) => [each, barycentre(each[side], places, place)]));
    const sorted = layer.toSorted((one, other) => wishes.get(one) - wishes.get(other));
    for (const [place, each] of sorted.entries()) places.set(each, place);
    return sorted;
  });
}

function barycentre(neighbours, places, otherwise) {
  if (neighbours.length === 0) return otherwise;
  return neighbours.reduce((sum, each) => sum + (places.get(each) ?? otherwise), 0) / neighbours.length;
}

/**
 * Counts the crossings between neighbouring layers: pairs of edges that are in one order on the left, and in the other
 * on the right. A Fenwick tree makes that quick for large graphs.
 * @param {object[][]} layers
 */
export function countCrossings(layers) {
  return layers.slice(1).reduce((sum, layer, index) => sum + crossingsBetween(layers[index], layer), 0);
}

function crossingsBetween(left, right) {
  const places = new Map(right.map((each, place) => [each, place]));
  const tree = new Array(right.length + 1).fill(0);
  let [crossings, seen] = [0, 0];
  for (const each of left) {
    const ends = each.after.filter((next) => places.has(next)).map((next) => places.get(next));
    for (const end of ends) crossings += seen - sumTo(tree, end + 1);
    for (const end of ends) add(tree, end + 1);
    seen += ends.length;
  }
  return crossings;
}

function add(tree, place) {
  for (let at = place; at < tree.length; at += at & -at) tree[at] += 1;
}

function sumTo(tree, place) {
  let sum = 0;
  for (let at = place; at > 0; at -= at & -at) sum += tree[at];
  return sum;
}
