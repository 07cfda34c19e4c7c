// The session: two dots, one of which was seen once.

import assert from "node:assert/strict";
import test from "node:test";
import { Session } from "../../tiny_jepa/commands/page/session.mjs";
import { WORLD, model } from "./fixtures.mjs";

const begin = (gate) => new Session(WORLD, model(gate), [27.5, 20], false);
const push = (session, count) => Array.from({ length: count }, () => session.move([1, 0]));

test("a model that knows no walls is as far off as dead reckoning", () => {
  const session = begin();
  push(session, 10);
  assert.deepEqual(session.location, [29.5, 20]);
  assert.ok(Math.abs(session.now.error - 8) < 1e-3 && Math.abs(session.now.missed - 8) < 1e-3);
});

test("a gate that closes keeps the imagined dot; dead reckoning goes on", () => {
  const session = begin({ bias: -20 });
  push(session, 5);
  assert.ok(Math.abs(session.now.imagined[0] - 27.5) < 1e-3 && session.now.missed > 2.9);
});

test("a look ends all error and starts the count anew", () => {
  const session = begin();
  push(session, 10);
  session.look();
  assert.ok(session.steps === 0 && session.now.error < 1e-4);
});
