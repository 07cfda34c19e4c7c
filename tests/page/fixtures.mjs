// A world of the course's size, and a model whose weights are written by hand.

import { Model } from "../../tiny_jepa/commands/page/model.mjs";
import { World } from "../../tiny_jepa/commands/page/world.mjs";

export const COURSE = { border: 4, wall_half: 1, dot_std: 1.3 };

/** A wall of three columns around x = 31, with nine open rows around y = 40, not drawn beyond the borders. */
export const WORLD = new World(COURSE, Uint8Array.from({ length: 64 * 64 }, (_, at) => {
  const [x, y] = [at % 64, Math.floor(at / 64)];
  return Math.abs(x - 31) < 2 && Math.abs(y - 40) > 4 && y > 4 && y < 59;
}));

const base64 = (values) => Buffer.from(Float32Array.from(values).buffer).toString("base64");

/** A model that takes the agent where its pixels are. Its gate has one hidden unit. Of each cell that a move passes,
 * `cell` weighs the four corners, and how many cells it lies from the first along x and y; `start` weighs the corner of
 * the first that lies behind. */
export function model({ bias = 20, cell = [0, 0, 0, 0, 0, 0], start = [0] } = {}) {
  const numbers = {
    "agent_encoder.conv.taps": [1],
    "predictor.action": [1 / 16],
    "predictor.log_gain": [0],
    "predictor.cell.weight": cell,
    "predictor.cell.bias": [3],
    "predictor.start.weight": start,
    "predictor.out.weight": [1],
    "predictor.out.bias": [bias],
  };
  const weights = Object.fromEntries(Object.entries(numbers).map(([name, values]) => [name, base64(values)]));
  return new Model({ weights, unit: 16, crossings: 2, reach: 0, corners: 1 });
}
