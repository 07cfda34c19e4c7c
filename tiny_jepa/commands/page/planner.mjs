// How many steps it is to the goal, from everywhere, by the model's own one-step predictions, and the walker that goes
// by it: tiny_jepa/planning/costtogo.py in JavaScript. The world is never asked; what blocks, the model has to know.

import { distance } from "./model.mjs";

export class CostToGo {
  /** Solves for the goal's code. A generator, so that a page stays awake: it yields the share of the work that is done
   * and returns the solution. settings: the constants of costtogo.py, and the `limit` of an action's norm in px. */
  static *solve(model, context, goal, settings) {
    const { limit, offsets, nowhere, arrived } = settings;
    const size = (move) => Math.hypot(...model.action(move)) / limit;
    const neighbours = offsets.filter((offset) => Math.max(...offset.map(Math.abs)) === 1);
    const pixel = 1 / model.unit;
    const longest = Math.max(...neighbours.map((offset) => size(offset.map((value) => value * pixel))));
    const times = Math.ceil(longest - 0.001); // nodes a pixel, so that no move to a neighbour is longer than an action
    const spacing = pixel / times;
    const first = spacing / 2;
    const side = times * (Math.sqrt(context.length) - 1);
    const risk = Math.max(settings.risk, side ** 2 / settings.winding);
    const count = side * side;
    const node = (at) => [first + (at % side) * spacing, first + Math.floor(at / side) * spacing];
    const arrives = (start, move) => {
      const end = model.predict(start, model.action(move), context);
      return distance(end, [start[0] + move[0], start[1] + move[1]]) < arrived * spacing;
    };

    /** Whether a move is made (x, y) nodes away; not beyond the lattice. */
    const seenFrom = (made, at, [x, y]) => {
      const [column, row] = [(at % side) + x, Math.floor(at / side) + y];
      return column >= 0 && column < side && row >= 0 && row < side && made[row * side + column];
    };
    const beside = offsets.filter(([x, y]) => Math.abs(x) + Math.abs(y) === 1);
    /** The cost of a move of so many steps: more if it would fail from a node beside, or cannot be taken back. */
    const cost = (made, steps, at, sure) => {
      if (!made[at]) return Infinity;
      return steps * (sure && beside.every((offset) => seenFrom(made, at, offset)) ? 1 : risk);
    };

    const moves = new Map();
    const alike = firstAlike(context, model.sees, times);
    for (const offset of neighbours) {
      yield moves.size / neighbours.length;
      const move = offset.map((value) => value * spacing);
      const made = new Uint8Array(count);
      for (let at = 0; at < count; at++) made[at] = alike[at] < at ? made[alike[at]] : arrives(node(at), move);
      moves.set(String(offset), made);
    }
    for (const offset of offsets) {
      if (moves.has(String(offset))) continue;
      const diagonal = offset.map(Math.sign);
      const straight = [offset[0] - diagonal[0], offset[1] - diagonal[1]];
      const both = [[diagonal, straight], [straight, diagonal]];
      const made = (at) => both.every(([one, other]) =>
        moves.get(String(one))[at] && seenFrom(moves.get(String(other)), at, one));
      moves.set(String(offset), Uint8Array.from({ length: count }, (_, at) => made(at)));
    }
    const straight = Array.from({ length: count }, (_, at) => node(at).map((value, axis) => goal[axis] - value));
    const steps = straight.map(size);
    const last = Uint8Array.from(steps, (each, at) => each < 1.001 && arrives(node(at), straight[at]));
    const costs = Float64Array.from(steps, (each, at) =>
      Math.min(cost(last, each, at, true), each < 1 ? settings.risk * risk * each : nowhere));
    const ways = offsets.map((offset) => {
      const [made, back] = [moves.get(String(offset)), moves.get(String(offset.map((value) => 0 - value)))];
      const length = size(offset.map((value) => value * spacing));
      return { x: offset[0], y: offset[1], costs: costs.map((_, at) => cost(made, length, at, seenFrom(back, at, offset))) };
    });
    for (let round = 0; sweep(costs, ways, side, round % 2); round++) yield 1;
    return new CostToGo({ model, goal, settings, first, spacing, side, risk, costs });
  }

  constructor(solution) {
    Object.assign(this, solution);
  }

  /** The 16 nodes around a code: in a narrow way, only they may be safe to step on. */
  near(code) {
    const [x, y] = code.map((value) => Math.floor((value - this.first) / this.spacing) - 1);
    return Array.from({ length: 16 }, (_, at) =>
      [x + (at >> 2), y + (at & 3)].map((index) => this.first + this.spacing * index));
  }

  /** Steps to the goal from a code: between the nodes that a way leads from; straight where the goal is next. */
  at(code) {
    const straight = [this.goal[0] - code[0], this.goal[1] - code[1]];
    if (Math.hypot(...straight) < this.spacing) return Math.hypot(...this.model.action(straight)) / this.settings.limit;
    const place = code.map((value) => Math.min(Math.max((value - this.first) / this.spacing, 0), this.side - 1.001));
    const corner = place.map(Math.floor);
    let [total, weights] = [0, 0];
    const costAt = ([x, y]) => this.costs[(corner[1] + y) * this.side + corner[0] + x];
    const corners = [[0, 0], [0, 1], [1, 0], [1, 1]];
    const most = Math.min(...corners.map(costAt)) + this.risk; // one that lies behind walls counts for no more
    for (const [x, y] of corners) {
      const cost = costAt([x, y]);
      if (cost >= this.settings.nowhere) continue;
      const weight = Math.abs(place[0] - corner[0] - 1 + x) * Math.abs(place[1] - corner[1] - 1 + y);
      total += weight * Math.min(cost, most);
      weights += weight;
    }
    return weights > 1e-6 ? total / weights : this.settings.nowhere;
  }
}

/** For each node, row by row, the first that lies alike among pixels that look alike, as far as a step depends on them:
 * that one is judged for all. `times` nodes a pixel. */
function firstAlike(context, sees, times) {
  const size = Math.sqrt(context.length);
  const side = times * (size - 1);
  const within = (i) => Math.min(Math.max(i, 0), size - 1);
  const firsts = new Map();
  return Uint32Array.from({ length: side * side }, (_, at) => {
    const [column, row] = [at % side, Math.floor(at / side)];
    let look = String.fromCharCode(column % times, row % times);
    for (let y = 1 - sees; y <= sees; y++) {
      const line = size * within(Math.floor(row / times) + y);
      for (let x = 1 - sees; x <= sees; x++) look += String.fromCharCode(context[line + within(Math.floor(column / times) + x)]);
    }
    if (!firsts.has(look)) firsts.set(look, at);
    return firsts.get(look);
  });
}

/** One round of value iteration over all nodes, in place, from the last to the first if `back` -> whether a cost fell. */
function sweep(costs, ways, side, back) {
  let fell = false;
  for (let turn = 0; turn < costs.length; turn++) {
    const at = back ? costs.length - 1 - turn : turn;
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
    const aimed = [this.map.goal, ...this.map.near(code)].map((aim) => {
      const action = this.model.action([aim[0] - code[0], aim[1] - code[1]]);
      const length = Math.max(Math.hypot(...action) / settings.limit, 1);
      return action.map((value) => value / length);
    });
    const tried = [...this.candidates, ...aimed].map((action) => {
      const end = this.model.predict(code, action, this.context);
      return { action, end, steps: this.map.at(end) };
    });
    if (tried.every(({ steps }) => steps >= settings.nowhere)) { // no way is known: as near as if nothing were in the way
      for (const each of tried) {
        each.end = this.model.move(each.action).map((value, i) => code[i] + value);
        each.steps = distance(this.map.goal, each.end);
      }
    }
    let best = { cost: Infinity };
    for (const { action, end, steps } of tried) {
      // within a node where it begins, and half a node where it should end
      const like = (failed) => failed && Math.hypot(distance(failed.from, code), 2 * distance(failed.to, end)) < spacing;
      const cost = steps + (this.failed.some(like) ? settings.nowhere : 0);
      if (cost < best.cost) best = { cost, action, from: code, to: end };
    }
    this.expected = best;
    return best.action;
  }

  /** Neither a move that did not happen is chosen for a while, nor one like it: without memory it would be repeated for
   * ever. To stay short of the goal is none: costs between nodes have hollows beside walls. */
  #remember(code) {
    if (!this.expected) return;
    const { from, to, cost } = this.expected;
    const slack = this.map.settings.arrived * this.map.spacing; // so that noise is no failure
    const idle = cost > 1 && distance(from, to) < slack;
    this.failed.push(idle || distance(code, to) > 0.5 * distance(from, to) + slack ? this.expected : null);
    if (this.failed.length > this.map.settings.memory) this.failed.shift();
  }
}
