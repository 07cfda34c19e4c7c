// The world of any drawing, as `Cells` of tiny_jepa/worlds/two_rooms/walls.py has it. The page draws and moves the true dot with
// this; no model is told anything of it. Coordinates [x, y] are px: column, row.

/** Ones and zeros, row by row -> text for the address: eight pixels a byte, bytes as base64url. */
export function pack(drawn) {
  const bytes = new Uint8Array(Math.ceil(drawn.length / 8));
  drawn.forEach((value, at) => { bytes[at >> 3] |= value << (7 - (at & 7)); });
  return btoa(String.fromCharCode(...bytes)).replace(/[+/=]/g, (letter) => ({ "+": "-", "/": "_", "=": "" })[letter]);
}

/** What `pack` wrote -> the pixels of a square; null where the text holds no square of a side that is allowed. */
export function unpack(text, least = 41, most = 138) {
  if (!/^[\w-]*$/.test(text) || text.length % 4 === 1) return null;
  const bytes = atob(text.replace(/[-_]/g, (letter) => ({ "-": "+", _: "/" })[letter]));
  const size = Math.floor(Math.sqrt(8 * bytes.length));
  if (Math.ceil(size ** 2 / 8) !== bytes.length || size < least || size > most) return null;
  return Uint8Array.from({ length: size ** 2 }, (_, at) => (bytes.charCodeAt(at >> 3) >> (7 - (at & 7))) & 1);
}

export class World {
  /** geometry: the fields of the Python class `Geometry`, in px; drawn: walls as ones, row by row, of a square frame.
   * Border lines are always drawn, and what touches one goes on beyond. */
  constructor(geometry, drawn) {
    Object.assign(this, geometry, { size: Math.sqrt(drawn.length) });
    this.far_border = this.size - 1 - this.border;
    const line = (i) => i === this.border || i === this.far_border;
    this.drawn = drawn.map((_, at) => {
      const place = [at % this.size, Math.floor(at / this.size)];
      const [x, y] = this.#within(place);
      return place.some(line) ? 1 : drawn[y * this.size + x];
    });
  }

  /** The nearest point that is a px or more within the border lines. */
  #within(point) {
    return point.map((value) => Math.min(Math.max(value, this.border + 1), this.far_border - 1));
  }

  /** Whether an upright side of a cell stops: that at column x, between the pixel centres of rows y and y + 1. */
  #stops(x, y) {
    const isDrawn = (row) => row > this.border && row < this.far_border && this.drawn[row * this.size + x];
    return x === this.border || x === this.far_border || isDrawn(y) || isDrawn(y + 1);
  }

  /** Whether a cell, the square between four pixel centres from (x, y) on, is wall. */
  #isWall(x, y) {
    return this.#stops(x, y) && this.#stops(x + 1, y);
  }

  /** One move, from a place in no wall -> {location, blocked}. A blocked dot stays exactly where it was. */
  step(location, action) {
    const end = [location[0] + action[0], location[1] + action[1]];
    const out = end.some((value) => value <= this.border || value >= this.far_border);
    const blocked = out || this.#isStopped(location, end, 0) || this.#isStopped(location, end, 1);
    return { location: blocked ? location : end, blocked };
  }

  /** Whether a move meets an upright side that stops (axis 0), or gets into a wall from above or below (axis 1). */
  #isStopped(start, end, axis) {
    const [[from, to], across] = [[start[axis], end[axis]], 1 - axis];
    for (let line = Math.ceil(Math.min(from, to)); line <= Math.max(from, to); line++) {
      const share = (line - from) / (from === to ? Infinity : to - from);
      const place = Math.floor(start[across] + share * (end[across] - start[across]));
      if (axis === 0 && this.#stops(line, place)) return true;
      if (axis === 1 && (from < to ? line < to : to < line) && this.#isWall(place, line - (to < from))) return true;
    }
    return false;
  }

  /** The place nearest to a point that is in no wall: the point itself, or a cell's middle; null where all is wall. */
  free(point) {
    const [x, y] = this.#within(point);
    const [column, row] = [Math.floor(x), Math.floor(y)];
    if (!this.#isWall(column, row) && !(x === column && this.#stops(x, row))) return [x, y];
    let [best, least] = [null, Infinity];
    for (let at = 0; at < this.drawn.length; at++) {
      const cell = [at % this.size, Math.floor(at / this.size)];
      if (cell.some((i) => i < this.border || i >= this.far_border) || this.#isWall(...cell)) continue;
      const apart = Math.hypot(cell[0] + 0.5 - x, cell[1] + 0.5 - y);
      if (apart < least) [best, least] = [cell.map((i) => i + 0.5), apart];
    }
    return best;
  }

  /** A frame -> {size, agent, layout}: two channels of size x size pixels, row by row. `bytes`: whole numbers from 0
   * to 255, as in uint8 files; otherwise a dot that sums to 1 and a layout as bright as its peak, as the course has. */
  render(location, bytes) {
    const { size, dot_std: std } = this;
    const [across, along] = location.map((centre) => {
      const falloff = Float64Array.from({ length: size }, (_, i) => Math.exp(-((i - centre) ** 2) / (2 * std ** 2)));
      const sum = bytes ? 1 : falloff.reduce((a, b) => a + b);
      return Float32Array.from(falloff, (value) => value / sum);
    });
    const agent = new Float32Array(this.drawn).map((_, at) => {
      const [x, y] = [across[at % size], along[Math.floor(at / size)]];
      return bytes ? Math.floor(Math.fround(Math.fround(255 * y) * x)) : y * x;
    });
    const bright = bytes ? 255 : 1 / (2 * Math.PI * std ** 2);
    return { size, agent, layout: new Float32Array(this.drawn).map((value) => value * bright) };
  }
}
