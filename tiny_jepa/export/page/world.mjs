// The world of two rooms, as tiny_jepa/worlds/two_rooms has it. The page draws and moves the true dot with this;
// no model is told anything of it. Coordinates [x, y] are px: column, row. A layout is [wall's column, door's row].

export class World {
  /** geometry: the fields of the Python class `Geometry`, in px. */
  constructor(geometry) {
    Object.assign(this, geometry);
    this.far_border = this.size - 1 - this.border;
  }

  /** One move -> {location, blocked}. A blocked dot stays exactly where it was. */
  step(location, action, layout) {
    const end = [location[0] + action[0], location[1] + action[1]];
    const out = end.some((value) => value <= this.border || value >= this.far_border);
    const blocked = out || this.#meetsWall(location, end, layout);
    return { location: blocked ? location : end, blocked };
  }

  /** Whether the segment start -> end crosses a face of the wall outside the door, or a jamb of the door outwards. */
  #meetsWall(start, end, layout) {
    const [x0, y0] = [start[0] - layout[0], start[1] - layout[1]];
    const [x1, y1] = [end[0] - layout[0], end[1] - layout[1]];
    const [dx, dy] = [x1 - x0, y1 - y0];
    const { wall_half: half, door_half: door } = this;
    const face = [-half, half].some(
      (at) =>
        dx !== 0 && Math.min(x0, x1) <= at && Math.max(x0, x1) >= at
        && Math.abs(y0 * dx + (at - x0) * dy) > door * Math.abs(dx),
    );
    const jamb = [-door, door].some(
      (at) =>
        (at > 0 ? y0 <= at && y1 > at : y0 >= at && y1 < at)
        && Math.abs(x0 * dy + (at - y0) * dx) < half * Math.abs(dy),
    );
    return face || jamb;
  }

  /** Whether a location lies in the wall, beside the door. */
  inWall([x, y], [wall, door]) {
    return Math.abs(x - wall) <= this.wall_half && Math.abs(y - door) > this.door_half;
  }

  /** A frame -> {size, agent, layout}: two channels of size x size pixels, row by row. `bytes`: whole numbers from 0
   * to 255, as in uint8 files; otherwise a dot that sums to 1 and a layout as bright as its peak, as the course has. */
  render(location, layout, bytes) {
    const { size, dot_std: std } = this;
    const [across, along] = location.map((centre) => {
      const falloff = Float64Array.from({ length: size }, (_, i) => Math.exp(-((i - centre) ** 2) / (2 * std ** 2)));
      const sum = bytes ? 1 : falloff.reduce((a, b) => a + b);
      return Float32Array.from(falloff, (value) => value / sum);
    });
    const [agent, walls] = [new Float32Array(size * size), new Float32Array(size * size)];
    const drawn = bytes ? 255 : 1 / (2 * Math.PI * std ** 2);
    const line = (i) => i === this.border || i === this.far_border;
    for (let y = 0; y < size; y++) {
      for (let x = 0; x < size; x++) {
        const at = y * size + x;
        agent[at] = bytes ? Math.floor(Math.fround(Math.fround(255 * along[y]) * across[x])) : along[y] * across[x];
        if (this.inWall([x, y], layout) || line(x) || line(y)) walls[at] = drawn;
      }
    }
    return { size, agent, layout: walls };
  }
}
