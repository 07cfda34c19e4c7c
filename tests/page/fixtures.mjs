// A world of the course's size, and a model whose weights are written by hand.

import { Model } from "../../tiny_jepa/export/page/model.mjs";

export const COURSE = {
  size: 64, border: 4, wall_half: 1, door_half: 4, wall_margin: 20, door_margin: 10, dot_std: 1.3,
};
export const LAYOUT = [31, 40];

/** A model that takes the agent where its pixels are. Its gate has one hidden unit, with weights for six inputs. */
export function model({ bias = 20, weights = [0, 0, 0, 0, 0, 0] } = {}) {
  const numbers = {
    "agent_encoder.conv.taps": [1],
    "layout_encoder.axes.0.taps": [1],
    "layout_encoder.axes.1.taps": [-1],
    "predictor.action": [1 / 16],
    "predictor.log_gain": [0],
    "predictor.log_zoom": [0, 0, 0],
    "predictor.hidden.0.weight": weights,
    "predictor.hidden.0.bias": [0],
    "predictor.out.weight": [1],
    "predictor.out.bias": [bias],
  };
  const tensors = Object.entries(numbers).map(([name, values]) => [name, Float32Array.from(values)]);
  return new Model(Object.fromEntries(tensors), { unit: 16, window: 0.5, seen: 2 });
}
