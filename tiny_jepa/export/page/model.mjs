// A trained model, as tiny_jepa/models has it: encoders that read two channels of pixels, and a predictor that takes
// what they read, and an action, to the next step. Codes are in units of 16 px; weights are float32, sums are doubles.

/** Euclidean distance of two points, in their unit. */
export const distance = (a, b) => Math.hypot(a[0] - b[0], a[1] - b[1]);

/** base64 of a safetensors file -> its float32 tensors by name, each row by row. */
export function readTensors(base64) {
  const bytes = Uint8Array.from(atob(base64), (letter) => letter.charCodeAt(0));
  const start = 8 + Number(new DataView(bytes.buffer).getBigUint64(0, true));
  const header = JSON.parse(new TextDecoder().decode(bytes.subarray(8, start)));
  delete header.__metadata__;
  const values = ([from, to]) => new Float32Array(bytes.buffer.slice(start + from, start + to));
  return Object.fromEntries(Object.entries(header).map(([name, { data_offsets }]) => [name, values(data_offsets)]));
}

/** A channel's sums over its rows and over its columns, as shares of its brightest pixel -> [along x, along y]. */
function marginals(channel, size) {
  const peak = channel.reduce((a, b) => Math.max(a, b), 1e-12);
  const sums = [new Float64Array(size), new Float64Array(size)];
  channel.forEach((value, at) => {
    sums[0][at % size] += value / peak;
    sums[1][Math.floor(at / size)] += value / peak;
  });
  return sums;
}

/** A profile filtered by a palindrome, whose taps are given from the middle outwards. */
function convolve(profile, taps) {
  const at = (i) => profile[i] ?? 0;
  return profile.map((_, i) => taps.reduce((sum, tap, k) => sum + tap * (k ? at(i - k) + at(i + k) : at(i)), 0));
}

/** The mean index of a map that is nowhere negative. */
function centroid(mass) {
  const [sum, moment] = mass.reduce(([a, b], value, i) => [a + value, b + value * i], [0, 0]);
  return moment / Math.max(sum, 1e-12);
}

export class Model {
  /** tensors: from `readTensors`. constants: unit (px of a code unit), window and seen (of the gate's view). */
  constructor(tensors, { unit, window, seen }) {
    Object.assign(this, { unit, seen, tensors });
    this.scale = tensors["predictor.action"][0];
    this.gain = Math.exp(tensors["predictor.log_gain"][0]);
    this.zooms = Array.from(tensors["predictor.log_zoom"], (value) => Math.exp(value) / window);
    this.layers = [];
    for (let i = 0; `predictor.hidden.${i}.weight` in tensors; i++) this.layers.push(layer(`predictor.hidden.${i}`));
    this.layers.push(layer("predictor.out"));

    function layer(name) {
      const [weight, bias] = [tensors[`${name}.weight`], tensors[`${name}.bias`]];
      return { weight, bias, out: new Float64Array(bias.length) };
    }
  }

  /** A frame's pixels -> {code: [x, y], context: [key x, key y, far edge, far edge]}. Nothing else is ever read. */
  encode({ size, agent, layout }) {
    const taps = (name) => this.tensors[`${name}.taps`];
    const code = marginals(agent, size).map((profile) =>
      centroid(convolve(profile, taps("agent_encoder.conv")).map((value) => value ** 2)) / this.unit);
    const keys = marginals(layout, size).map((profile, axis) => {
      const map = convolve(profile.map(Math.log1p), taps(`layout_encoder.axes.${axis}`));
      const peak = map.reduce((a, b) => Math.max(a, b));
      return centroid(map.map((value) => Math.exp(value - peak))) / this.unit; // of the map's softmax
    });
    const far = (size - 1) / this.unit;
    return { code, context: [...keys, far, far] };
  }

  /** How sure the gate is that the agent can go from `start` to `end` (codes): above 0 it can. */
  logit(start, end, context) {
    let input = this.#view(start, end, context);
    for (const [i, { weight, bias, out }] of this.layers.entries()) {
      for (let row = 0, at = 0; row < bias.length; row++) {
        let sum = bias[row];
        for (let column = 0; column < input.length; column++) sum += weight[at++] * input[column];
        out[row] = i < this.layers.length - 1 ? Math.max(sum, 0) : sum;
      }
      input = out;
    }
    return input[0] * this.gain;
  }

  /** What the gate sees of a move: on each axis, in the move's direction, how far its end is from the frame's edge, and
   * how far its end and its start have come from the key point. */
  #view(start, end, context) {
    const seen = new Float64Array(6);
    for (const axis of [0, 1]) {
      const [from, to, key, far] = [start[axis], end[axis], context[axis], context[2 + axis]];
      const forward = (to === from ? to - key : to - from) >= 0;
      const ahead = forward ? 1 : -1;
      const distances = [(forward ? far - to : to) * this.zooms[0]];
      for (const point of [to, from]) distances.push((point - key) * ahead * this.zooms[1 + axis]);
      distances.forEach((value, i) => { seen[2 * i + axis] = this.seen * Math.min(Math.max(value, -1), 1); });
    }
    return seen;
  }

  /** The action's free move in code units. */
  move(action) {
    return action.map((value) => this.scale * value);
  }

  /** The action that would take a free agent along by a move in code units. */
  action(move) {
    return move.map((value) => value / this.scale);
  }

  /** The next code, imagined: code [x, y], action [x, y] px. */
  predict(code, action, context) {
    const move = this.move(action);
    const logit = this.logit(code, code.map((value, i) => value + move[i]), context);
    const gate = 1 / (1 + Math.exp(-logit));
    return code.map((value, i) => value + gate * move[i]);
  }
}
