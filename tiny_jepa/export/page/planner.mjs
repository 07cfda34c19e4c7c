// How many steps it is to the goal, from everywhere, by the model's own one-step predictions, and the walker that goes
// by it: tiny_jepa/planning/costtogo.py in JavaScript. The world is never asked; what blocks, the model has to know.

import { distance } from "./model.mjs";

export class CostToGo {
  /** Solves for the goal's code. A generator, so that a page stays awake: it yields the share of the work that is done
   * and returns the solution. settings: the constants of costtogo.py, and the `limit` of an action's norm in px. */
  static *solve(model, context, goal, settings) {
    const { limit, offsets, risk, nowhere, arrived } = settings;
    const spacing = model.move([limit])[0] / Math.max(...offsets.map((offset) => Math.hypot(...offset)));
    const side = Math.floor(model.farthest(context) / spacing) + 2;
    const count = side * side;
    const node = (at) => [(at % side) * spacing, Math.floor(at / side) * spacing];

    /** Whether a move from each node arrives, as the model has it, and the steps it takes if it does. */
    function tryAll(moveFrom) {
      const [steps, made] = [new Float64Array(count), new Uint8Array(count)];
      for (let at = 0; at < count; at++) {
        const start = node(at);
        const move = moveFrom(start);
        const action = model.action(move);
        steps[at] = Math.hypot(...action) / limit;
        if (steps[at] > 1.001) continue;
        const end = model.predict(start, action, context);
        made[at] = distance(end, [start[0] + move[0], start[1] + move[1]]) < arrived * spacing;
      }
      return { steps, made };
    }

    /** Whether a move is made (x, y) nodes away; not beyond the lattice. */
    const seenFrom = (made, at, [x, y]) => {
      const [column, row] = [(at % side) + x, Math.floor(at / side) + y];
      return column >= 0 && column < side && row >= 0 && row < side && made[row * side + column];
    };
    /** The cost of a move: more if it would fail from a node beside, or cannot be taken back. */
    const cost = ({ made, steps }, at, sure) => {
      if (!made[at]) return Infinity;
      return steps[at] * (sure && beside.every((offset) => seenFrom(made, at, offset)) ? 1 : risk);
    };

    const beside = offsets.filter(([x, y]) => x === 0 || y === 0);
    const straight = tryAll(([x, y]) => [goal[0] - x, goal[1] - y]);
    const costs = straight.steps.map((steps, at) =>
      Math.min(cost(straight, at, true), steps < 1 ? risk ** 2 * steps : nowhere));
    const moves = [];
    for (const [x, y] of offsets) {
      yield moves.length / offsets.length;
      moves.push(tryAll(() => [x * spacing, y * spacing]));
    }
    const ways = offsets.map(([x, y], i) => {
      const back = moves[offsets.length - 1 - i].made; // the last offset is the first one's way back, and so on
      return { x, y, costs: costs.map((_, at) => cost(moves[i], at, seenFrom(back, at, [x, y]))) };
    });
    while (sweep(costs, ways, side));
    return new CostToGo(model, goal, settings, spacing, side, costs);
  }

  constructor(model, goal, settings, spacing, side, costs) {
    Object.assign(this, { model, goal, settings, spacing, side, costs });
  }

  /** Steps to the goal from a code: between the nodes that a way leads from; straight where the goal is next. */
  at(code) {
    const straight = [this.goal[0] - code[0], this.goal[1] - code[1]];
    if (Math.hypot(...straight) < this.spacing) return Math.hypot(...this.model.action(straight)) / this.settings.limit;
    const place = code.map((value) => Math.min(Math.max(value / this.spacing, 0), this.side - 1.001));
    const corner = place.map(Math.floor);
    let [total, weights] = [0, 0];
    for (const [x, y] of [[0, 0], [1, 0], [0, 1], [1, 1]]) {
      const cost = this.costs[(corner[1] + y) * this.side + corner[0] + x];
      if (cost >= this.settings.nowhere) continue;
      const weight = Math.abs(place[0] - corner[0] - 1 + x) * Math.abs(place[1] - corner[1] - 1 + y);
      total += weight * cost;
      weights += weight;
    }
    return weights > 1e-6 ? total / weights : this.settings.nowhere;
  }
}

/** One round of value iteration over all nodes, in place -> whether any cost fell. */
function sweep(costs, ways, side) {
  let fell = false;
  for (let at = 0; at < costs.length; at++) {
    const [column, row] = [at % side, Math.floor(at / side)];
    for (const way of ways) {
      if (column + way.x < 0 || column + way.x >= side || row + way.y < 0 || row + way.y >= side) continue;
      const cost = way.costs[at] + costs[at + way.y * side + way.x];
      if (cost < costs[at]) [costs[at], fell] = [cost, true];
    }
  }
  return fell;
}

export class Walker {
  /** Takes, step by step, the action whose predicted code costs least. */
  constructor(model, context, map) {
    Object.assign(this, { model, context, map, failed: [] });
    const { limit, directions, sizes } = map.settings;
    this.candidates = [[0, 0]];
    for (let size = 1; size <= sizes; size++) {
      for (let direction = 0; direction < directions; direction++) {
        const angle = (2 * Math.PI * direction) / directions;
        this.candidates.push([Math.cos(angle), Math.sin(angle)].map((value) => (value * limit * size) / sizes));
      }
    }
  }

  /** The code of the frame that is seen now -> the next action, px. */
  choose(code) {
    this.#remember(code);
    const { settings, spacing } = this.map;
    const straight = this.model.action([this.map.goal[0] - code[0], this.map.goal[1] - code[1]]);
    const length = Math.max(Math.hypot(...straight) / settings.limit, 1);
    const tried = [...this.candidates, straight.map((value) => value / length)].map((action) => {
      const end = this.model.predict(code, action, this.context);
      return { action, end, steps: this.map.at(end) };
    });
    const lost = tried.every(({ steps }) => steps >= settings.nowhere);
    let best = { cost: Infinity };
    for (const { action, end, steps } of lost ? tried.slice(-1) : tried) { // where no way is known, straight at the goal
      // within a node where it begins, and half a node where it should end
      const like = (failed) => failed && Math.hypot(distance(failed.from, code), 2 * distance(failed.to, end)) < spacing;
      const cost = steps + (this.failed.some(like) ? settings.nowhere : 0);
      if (cost < best.cost) best = { cost, action, from: code, to: end };
    }
    this.expected = best;
    return best.action;
  }

  /** A move that did not happen, nor one like it, is chosen for a while: without memory it would be repeated for ever. */
  #remember(code) {
    if (!this.expected) return;
    const { from, to } = this.expected;
    const slack = this.map.settings.arrived * this.map.spacing; // so that noise is no failure
    this.failed.push(distance(code, to) > 0.5 * distance(from, to) + slack ? this.expected : null);
    if (this.failed.length > this.map.settings.memory) this.failed.shift();
  }
}
