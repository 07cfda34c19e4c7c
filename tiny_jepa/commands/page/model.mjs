// A trained model, as tiny_jepa/models has it: an encoder that finds the agent in one channel of pixels, and a
// predictor that reads the other one, the map, where a move goes. Codes are in units of 16 px; sums are doubles.

/** Euclidean distance of two points, in their unit. */
export const distance = (a, b) => Math.hypot(a[0] - b[0], a[1] - b[1]);

/** base64 of float32 numbers -> those numbers, as doubles. */
function numbers(base64) {
  const bytes = Uint8Array.from(atob(base64), (letter) => letter.charCodeAt(0));
  return Float64Array.from(new Float32Array(bytes.buffer));
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

/** The corners of a cell, from where a move comes to where it goes. */
const CORNERS = [[0, 0], [1, 0], [0, 1], [1, 1]];

/** A matrix with a bias. Rows are summed four at a time, the fastest in JavaScript; those beyond the last are 0. */
class Layer {
  constructor(weight, bias) {
    const width = weight.length / bias.length;
    this.bias = Float64Array.from({ length: 4 * Math.ceil(bias.length / 4) }, (_, row) => bias[row] ?? 0);
    this.weight = Float64Array.from({ length: this.bias.length * width }, (_, at) => {
      const [block, column] = [Math.floor(at / (4 * width)), Math.floor(at / 4) % width];
      return weight[(4 * block + (at % 4)) * width + column] ?? 0;
    });
    [this.input, this.out] = [new Float64Array(width), new Float64Array(this.bias.length)];
  }

  /** The product with an input, and the bias on top; what is less than `floor` becomes that. */
  apply(input = this.input, floor = 0) {
    const { weight, bias, out } = this;
    const width = this.input.length;
    for (let row = 0, at = 0; row < out.length; row += 4) {
      let [a, b, c, d] = [bias[row], bias[row + 1], bias[row + 2], bias[row + 3]];
      for (let column = 0; column < width; column++, at += 4) {
        const value = input[column];
        a += weight[at] * value;
        b += weight[at + 1] * value;
        c += weight[at + 2] * value;
        d += weight[at + 3] * value;
      }
      out[row] = Math.max(a, floor);
      out[row + 1] = Math.max(b, floor);
      out[row + 2] = Math.max(c, floor);
      out[row + 3] = Math.max(d, floor);
    }
    return out;
  }
}

export class Model {
  /** weights: base64 by name; unit: px of a code unit; the others: of tiny_jepa's `Architecture`. */
  constructor({ weights, unit, crossings, reach, corners }) {
    this.sees = crossings + reach + 1; // px of the map on either side of a code that a step depends on
    Object.assign(this, { unit, crossings, corners: CORNERS.slice(0, corners), patch: [...CORNERS] });
    for (let k = 1; k <= reach; k++) this.patch.push([-k, 0], [0, -k], [1 + k, 0], [0, 1 + k]);
    const values = Object.fromEntries(Object.entries(weights).map(([name, text]) => [name, numbers(text)]));
    this.taps = Array.from(values["agent_encoder.conv.taps"]);
    [this.scale] = values["predictor.action"];
    this.gain = Math.exp(values["predictor.log_gain"][0]);
    const layer = (name) => new Layer(values[`predictor.${name}.weight`], values[`predictor.${name}.bias`]);
    this.start = new Layer(values["predictor.start.weight"], values["predictor.cell.bias"]);
    this.cell = layer("cell");
    this.cell.bias = this.start.out; // on top of what the start says
    this.hidden = [];
    for (let i = 0; `predictor.hidden.${i}.weight` in values; i++) this.hidden.push(layer(`hidden.${i}`));
    this.out = layer("out");
  }

  /** A frame's pixels -> {code: [x, y], context: the map, row by row, from 0 to 255}. Nothing else is ever read. */
  encode({ size, agent, layout }) {
    const code = marginals(agent, size).map((profile) =>
      centroid(convolve(profile, this.taps).map((value) => value ** 2)) / this.unit);
    const [low, high] = [Math.min, Math.max].map((which) => layout.reduce((a, b) => which(a, b)));
    const share = (value) => (255 * (value - low)) / Math.max(high - low, 1e-12);
    return { code, context: Uint8ClampedArray.from(layout, share) };
  }

  /** How sure the gate is of a move from a code, both in code units: above 0 it is made. It looks at each cell between
   * pixel centres that the move passes, in the move's direction. */
  logit(code, move, context) {
    const side = Math.sqrt(context.length);
    const way = move.map((value) => Math.abs(this.unit * value));
    const forward = move.map((value) => (value >= 0 ? 1 : -1));
    const start = code.map((value, axis) => forward[axis] * (this.unit * value)); // px, as all that follows
    const first = start.map(Math.floor);
    const read = (input, places, [x, y]) => {
      for (let i = 0; i < places.length; i++) {
        const column = Math.min(Math.max(forward[0] * (x + places[i][0]), 0), side - 1);
        const row = Math.min(Math.max(forward[1] * (y + places[i][1]), 0), side - 1);
        input[i] = (2 * context[row * side + column]) / 255 - 1;
      }
    };
    read(this.start.input, this.corners, first);
    this.start.apply(this.start.input, -Infinity);
    const times = [0, 1]; // when the move enters the cells, and its end, as shares of it
    for (const axis of [0, 1]) {
      for (let i = 1; i <= this.crossings; i++) {
        times.push(Math.min((first[axis] - start[axis] + i) / Math.max(way[axis], 1e-12), 1));
      }
    }
    times.sort((a, b) => a - b);
    let [least, before] = [Infinity, [NaN, NaN]];
    for (let i = 1; i < times.length; i++) {
      const cell = start.map((value, axis) => Math.floor(value + (way[axis] * (times[i - 1] + times[i])) / 2));
      if (cell[0] === before[0] && cell[1] === before[1]) continue;
      before = cell;
      read(this.cell.input, this.patch, cell);
      this.cell.input.set([cell[0] - first[0], cell[1] - first[1]], this.patch.length);
      let told = this.cell.apply();
      for (const layer of this.hidden) told = layer.apply(told);
      least = Math.min(least, this.out.apply(told, -Infinity)[0]);
    }
    return least * this.gain;
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
    const gate = 1 / (1 + Math.exp(-this.logit(code, move, context)));
    return code.map((value, i) => value + gate * move[i]);
  }
}
