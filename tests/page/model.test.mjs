// The model: what it reads off pixels, and how it steps. Trained weights are compared with torch from Python.

import assert from "node:assert/strict";
import test from "node:test";
import { readTensors } from "../../tiny_jepa/export/page/model.mjs";
import { World } from "../../tiny_jepa/export/page/world.mjs";
import { COURSE, LAYOUT, model } from "./fixtures.mjs";

const near = (a, b, within) => a.forEach((value, i) => assert.ok(Math.abs(value - b[i]) < within, `${a} is not ${b}`));
const context = [31 / 16, 40 / 16, 63 / 16, 63 / 16];

test("the agent's code is where its pixels are, whatever their scale", () => {
  const world = new World(COURSE);
  const frame = world.render([20.3, 30.8], LAYOUT, false);
  const dimmed = { ...frame, agent: frame.agent.map((value) => value / 7) };
  for (const each of [frame, dimmed]) near(model().encode(each).code.map((value) => value * 16), [20.3, 30.8], 1e-5);
});

test("the far edge is the frame's own", () => {
  const world = new World({ ...COURSE, size: 65 });
  near(model().encode(world.render([20, 20], LAYOUT, false)).context.slice(2), [4, 4], 1e-9);
});

test("an open gate lets a move happen, a closed one leaves the code alone", () => {
  near(model().predict([1, 1], [1.6, 0], context), [1.1, 1], 1e-6);
  near(model({ bias: -20 }).predict([1, 1], [1.6, 0], context), [1, 1], 1e-6);
});

test("mirror images get the same answer", () => {
  const gate = model({ weights: [0.9, -0.7, 0.5, 0.3, -0.4, 0.8], bias: 0.1 });
  const mirrored = ([x, y]) => [63 / 16 - x, y];
  const [start, end] = [[1.7, 2.4], [1.8, 2.35]];
  const there = gate.logit(start, end, context);
  const back = gate.logit(mirrored(start), mirrored(end), [...mirrored(context), ...context.slice(2)]);
  assert.ok(there !== 0.1 && Math.abs(there - back) < 1e-12);
});

test("a safetensors file is read by its header", () => {
  const header = JSON.stringify({ __metadata__: { a: "b" }, x: { dtype: "F32", shape: [2], data_offsets: [0, 8] } });
  const file = Buffer.concat([Buffer.alloc(8), Buffer.from(header), Buffer.from(new Float32Array([1.5, -2]).buffer)]);
  file.writeBigUInt64LE(BigInt(header.length));
  assert.deepEqual(readTensors(file.toString("base64")), { x: new Float32Array([1.5, -2]) });
});
