// The planner, with the world itself in the model's place.

import assert from "node:assert/strict";
import test from "node:test";
import { distance } from "../../tiny_jepa/commands/page/model.mjs";
import { CostToGo, Walker } from "../../tiny_jepa/commands/page/planner.mjs";
import { WORLD as world } from "./fixtures.mjs";

const SETTINGS = {
  limit: 1.8, risk: 300, winding: 17, nowhere: 1e9, arrived: 0.25, directions: 24, sizes: 2, memory: 64,
  offsets: [-2, -1, 0, 1, 2].flatMap((x) => [-2, -1, 0, 1, 2].map((y) => [x, y]))
    .filter(([x, y]) => [1, 2].includes(Math.abs(x * y)) || Math.abs(x) + Math.abs(y) === 1),
};
const PLACES = Uint16Array.from({ length: 64 * 64 }, (_, at) => at); // a map on which no two places look alike
const truth = {
  unit: 16,
  sees: 1,
  move: (action) => action.map((value) => value / 16),
  action: (move) => move.map((value) => value * 16),
  predict: (code, action) => world.step(code.map((value) => value * 16), action).location.map((v) => v / 16),
};
const code = (location) => location.map((value) => value / 16);

function solve(goal) {
  const solving = CostToGo.solve(truth, PLACES, code(goal), SETTINGS);
  const shares = [];
  for (let next = solving.next(); ; next = solving.next()) {
    if (next.done) return { map: next.value, shares };
    shares.push(next.value);
  }
}

test("solving says how far it is", () => {
  const { shares } = solve([45, 20]);
  assert.ok(shares.every((share, i) => share === Math.min(i / 8, 1)));
});

test("the cost behind the wall is that of the way through the door", () => {
  const { map } = solve([45, 20]);
  const [start, corner] = [[20, 20], [31, 36]];
  const way = (distance(start, corner) + distance(corner, [45, 20])) / SETTINGS.limit;
  assert.ok(map.at(code(start)) > 0.98 * way && map.at(code(start)) < 1.25 * way, `${map.at(code(start))}, not ${way}`);
  assert.ok(Math.abs(map.at(code([45, 29])) - 5) < 0.5, "nine px in the same room are five steps");
});

test("the walker goes from room to room", () => {
  const { map } = solve([45, 20]);
  const walker = new Walker(truth, null, map);
  let location = [12.3, 50.7];
  let steps = 0;
  for (; distance(location, [45, 20]) > 0.5 && steps < 100; steps++) {
    location = world.step(location, walker.choose(code(location))).location;
  }
  assert.ok(steps < 60, `${steps} steps`);
});

test("a move that does not happen is not tried again", () => {
  const walker = new Walker(truth, null, solve([45, 40]).map);
  const first = walker.choose(code([20, 40]));
  assert.notDeepEqual(walker.choose(code([20, 40])), first);
});
