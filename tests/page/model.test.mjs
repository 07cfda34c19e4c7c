// The model: what it reads off pixels, and how it steps. Trained weights are compared with torch from Python.

import assert from "node:assert/strict";
import test from "node:test";
import { WORLD as world, model } from "./fixtures.mjs";

const near = (a, b, within) => a.forEach((value, i) => assert.ok(Math.abs(value - b[i]) < within, `${a} is not ${b}`));
const { context } = model().encode(world.render([20, 20], true));

test("the agent's code is where its pixels are, whatever their scale", () => {
  const frame = world.render([20.3, 30.8], false);
  const dimmed = { ...frame, agent: frame.agent.map((value) => value / 7) };
  for (const each of [frame, dimmed]) near(model().encode(each).code.map((value) => value * 16), [20.3, 30.8], 1e-5);
});

test("the map is the layout, whatever its scale, from 0 to 255; a layout of one value is an empty map", () => {
  const frame = world.render([20, 20], false);
  assert.deepEqual(model().encode({ ...frame, layout: frame.layout.map((value) => 3 - value / 7) }).context,
    context.map((value) => 255 - value));
  assert.deepEqual([...new Set(context)].sort(), [0, 255]);
  assert.ok(model().encode({ ...frame, layout: frame.layout.fill(3) }).context.every((value) => value === 0));
});

test("an open gate lets a move happen, a closed one leaves the code alone", () => {
  near(model().predict([1, 1], [1.6, 0], context), [1.1, 1], 1e-6);
  near(model({ bias: -20 }).predict([1, 1], [1.6, 0], context), [1, 1], 1e-6);
});

test("a move is judged by the cell that it likes least, up to its end, in its own direction", () => {
  const ramp = Uint8Array.from({ length: 64 * 64 }, (_, at) => at % 64);
  const ahead = model({ bias: -3, cell: [0, 1, 0, 0, 0, 0] }); // the corner ahead along x
  const read = (x, move) => ((ahead.logit([x / 16, 1], [move / 16, 0], ramp) + 1) * 255) / 2;
  near([read(20.25, 1), read(20.25, -1), read(62.5, 1)], [21, 19, 63], 1e-9);
  const far = model({ bias: -3, cell: [0, 0, 0, 0, -1, -1] }); // cells that it passes
  const passed = (x, y) => -far.logit([20.25 / 16, 20.25 / 16], [x / 16, y / 16], ramp);
  near([passed(0.5, 0), passed(0.8, 0), passed(1.8, -0.3), passed(-0.3, -1.5)], [0, 1, 3, 3], 1e-9);
});

test("mirror images get the same answer", () => {
  const gate = model({ cell: [0.9, -0.7, 0.5, 0.3, -0.4, 0.2], start: [0.8], bias: 0.1 });
  const mirrored = context.map((_, at) => context[at - (at % 64) + 63 - (at % 64)]);
  const there = gate.logit([28.3 / 16, 36 / 16], [1 / 16, 0.4 / 16], context);
  const back = gate.logit([34.7 / 16, 36 / 16], [-1 / 16, 0.4 / 16], mirrored);
  assert.ok(there !== 0.1 && Math.abs(there - back) < 1e-12);
});
