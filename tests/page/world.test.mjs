// The world: what is drawn, and what stops a move. Run: node --test tests/page/*.test.mjs

import assert from "node:assert/strict";
import test from "node:test";
import { World } from "../../tiny_jepa/commands/page/world.mjs";
import { COURSE, WORLD as world } from "./fixtures.mjs";

const [wall, door] = [31, 40];
const isBlocked = (from, action) => world.step(from, action).blocked;

test("a float dot sums to 1, a uint8 dot holds whole numbers up to 255, and layouts are as bright as dots", () => {
  const [float, bytes] = [false, true].map((kind) => world.render([20.3, 30.8], kind));
  assert.ok(Math.abs(float.agent.reduce((a, b) => a + b) - 1) < 1e-6);
  assert.ok(bytes.agent.every((value) => Number.isInteger(value) && value >= 0 && value <= 255));
  assert.equal(Math.max(...bytes.layout), 255);
  assert.ok(Math.abs(Math.max(...float.layout) - 1 / (2 * Math.PI * COURSE.dot_std ** 2)) < 1e-6);
});

test("a layout is borders, and a wall with nine open rows", () => {
  const { size, layout } = world.render([20, 20], true);
  const at = (x, y) => layout[y * size + x] > 0;
  for (let i = 0; i < size; i++) assert.ok(at(4, i) && at(size - 5, i) && at(i, 4) && at(i, size - 5));
  assert.ok(at(wall, 0) && at(wall, 63), "what touches a border goes on beyond");
  for (let y = 5; y < size - 5; y++) assert.equal(at(wall, y), Math.abs(y - door) > 4);
  assert.ok(!at(wall - 2, 20) && at(wall - 1, 20) && at(wall + 1, 20) && !at(wall + 2, 20));
});

test("a blocked dot stays exactly where it was, a free one moves by the action", () => {
  const start = [wall - 1.5, 20];
  assert.deepEqual(world.step(start, [1, 0]), { location: start, blocked: true });
  assert.deepEqual(world.step([10, 20], [1, -0.5]), { location: [11, 19.5], blocked: false });
});

test("borders, faces and jambs stop moves; the door does not", () => {
  assert.ok(isBlocked([5, 20], [-1, 0]), "touching a border");
  assert.ok(isBlocked([wall + 1.5, 20], [-1, 0]), "a face from the right");
  assert.ok(!isBlocked([wall - 1.5, door], [1, 0]), "into the door");
  assert.ok(isBlocked([wall, door + 3.5], [0, 1]), "a jamb, outwards");
});

test("a point in a wall is moved to the nearest cell that is free; where all is wall, there is none", () => {
  assert.deepEqual(world.free([wall - 0.6, 20.2]), [wall - 1.5, 20.5]);
  assert.deepEqual(world.free([10.5, 20.5]), [10.5, 20.5]);
  assert.deepEqual(world.free([-99, 20]), [5, 20]);
  assert.equal(new World(COURSE, new Uint8Array(64 * 64).fill(1)).free([20, 20]), null);
});
