// The world of any drawing, as tiny_jepa/worlds/two_rooms/walls.py has it. The page draws and moves the true dot with
// this; no model is told anything of it. Coordinates [x, y] are px: column, row.

const FAR = 1000; // px: outside every frame, on either side

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
    this.boxes = this.#boxes();
  }

  /** The nearest point that is a px or more within the border lines. */
  #within(point) {
    return point.map((value) => Math.min(Math.max(value, this.border + 1), this.far_border - 1));
  }

  /** All pairs of whole numbers from one to another, both included: [x, y]. */
  *#places(first, last) {
    for (let y = first; y <= last; y++) for (let x = first; x <= last; x++) yield [x, y];
  }

  /** The boxes of the drawing: [x_low, x_high, y_low, y_high], both ends drawn. Each column's vertical runs, as wide as
   * all their rows are drawn; then cells that are wall and in none of these, as boxes without a pixel. */
  #boxes() {
    const [first, last] = [this.border + 1, this.far_border - 1];
    const [boxes, covered] = [[], new Uint8Array(this.drawn.length)];
    const isDrawn = (x, low, high = low) => {
      for (let y = low; y <= high; y++) if (!this.drawn[y * this.size + x]) return false;
      return true;
    };
    for (const [x, low] of this.#places(first, last)) {
      if (!isDrawn(x, low) || (low > first && isDrawn(x, low - 1))) continue;
      let [left, right, high] = [x, x, low];
      while (high < last && isDrawn(x, high + 1)) high++;
      while (left > first && isDrawn(left - 1, low, high)) left--;
      while (right < last && isDrawn(right + 1, low, high)) right++;
      const [x_low, y_low] = [left, low].map((at) => (at === first ? -FAR : at));
      const [x_high, y_high] = [right, high].map((at) => (at === last ? FAR : at));
      boxes.push([x_low, x_high, y_low, y_high]);
      for (let y = low - 1; y <= high; y++) {
        covered.fill(1, y * this.size + Math.max(x_low, 0), y * this.size + Math.min(x_high, this.size));
      }
    }
    for (const [x, y] of this.#places(this.border, last)) {
      if (this.#isWall(x, y) && !covered[y * this.size + x]) boxes.push([x, x + 1, y + 1, y]);
    }
    return boxes;
  }

  /** Whether a cell, the square between four pixel centres from (x, y) on, is wall: both its upright sides stop, for one
   * of their two pixels is drawn. */
  #isWall(x, y) {
    const stops = (at) => at === this.border || at === this.far_border || [y, y + 1].some(
      (row) => row > this.border && row < this.far_border && this.drawn[row * this.size + at]);
    return stops(x) && stops(x + 1);
  }

  /** One move -> {location, blocked}. A blocked dot stays exactly where it was. */
  step(location, action) {
    const end = [location[0] + action[0], location[1] + action[1]];
    const out = end.some((value) => value <= this.border || value >= this.far_border);
    const blocked = out || this.boxes.some((box) => meets(location, end, box));
    return { location: blocked ? location : end, blocked };
  }

  /** The place nearest to a point that is in no wall: the point itself, or a cell's middle; null where all is wall. */
  free(point) {
    const [x, y] = this.#within(point);
    const isIn = ([left, right, low, high]) => left <= x && x <= right && low - 1 < y && y < high + 1;
    if (!this.boxes.some(isIn)) return [x, y];
    let [best, least] = [null, Infinity];
    for (const cell of this.#places(this.border, this.far_border - 1)) {
      const apart = Math.hypot(cell[0] + 0.5 - x, cell[1] + 0.5 - y);
      if (apart < least && !this.#isWall(...cell)) [best, least] = [cell.map((value) => value + 0.5), apart];
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

/** Whether the segment start -> end touches an upright face of a box between its level ones, or crosses a level face
 * inwards. Upright faces are the outer columns' centres; level ones lie a px outside the outer rows. */
function meets([x0, y0], [x1, y1], [left, right, low, high]) {
  const [dx, dy, top, bottom] = [x1 - x0, y1 - y0, low - 1, high + 1];
  /** Whether the segment's line is strictly between low and high where it crosses the face. */
  const between = (x0, dx, face, y0, dy, low, high) => {
    const shift = (face - x0) * dy; // products, not quotients: exact wherever the coordinates are
    return Math.sign((y0 - low) * dx + shift) * Math.sign((y0 - high) * dx + shift) < 0;
  };
  const touches = (face) => Math.min(x0, x1) <= face && face <= Math.max(x0, x1) && between(x0, dx, face, y0, dy, top, bottom);
  const enters = (face) => between(y0, dy, face, x0, dx, left, right);
  return touches(left) || touches(right) || (y0 <= top && top < y1 && enters(top))
    || (y1 < bottom && bottom <= y0 && enters(bottom));
}
