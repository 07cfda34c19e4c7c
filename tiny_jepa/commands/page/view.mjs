// Draws the room as the model gets it, pixel by pixel, and over it what only the visitor sees.

const FINE = 256; // points along a side, about, at which steps to the goal are drawn

export class View {
  constructor(canvas) {
    this.canvas = canvas;
  }

  /** px of the room for a pointer event. */
  locate(event) {
    const box = this.canvas.getBoundingClientRect();
    const at = (offset, length) => (offset / length) * this.size - 0.5;
    return [at(event.clientX - box.left, box.width), at(event.clientY - box.top, box.height)];
  }

  /** goal: [x, y] px, or null; map: the cost-to-go to draw, or null; cursor: the brush's middle, or null. */
  draw(session, { goal, map, showReckoned, cursor }) {
    this.size = session.world.size;
    const side = Math.round(this.canvas.clientWidth * (window.devicePixelRatio || 1));
    if (this.canvas.width !== side) this.canvas.width = this.canvas.height = side;
    this.context = this.canvas.getContext("2d");
    // from here on lengths are px of the room, a pixel's centre at its index
    const scale = side / this.size;
    this.context.setTransform(scale, 0, 0, scale, scale / 2, scale / 2);
    this.context.fillStyle = this.#colour("floor");
    this.context.fillRect(-0.5, -0.5, this.size, this.size);
    if (map) this.#drawCosts(map, session);
    this.#drawPixels(session.frame());
    for (const radius of goal ? [0.5, 2.6] : []) this.#drawRing(goal, "goal", radius);
    const trail = (name) => session.history.map((step) => step[name]);
    if (showReckoned) this.#drawPath(trail("reckoned"), "missed", [1, 1]);
    this.#drawPath(trail("location"), "true");
    this.#drawPath(trail("imagined"), "ours", [0.6, 1]);
    if (showReckoned) this.#drawRing(session.now.reckoned, "missed", 2.2, [0.8, 0.8]);
    this.#drawRing(session.now.imagined, "ours", 2.6);
    if (cursor) this.#drawBrush(cursor, session.world.wall_half + 0.5);
  }

  #colour(name) {
    return getComputedStyle(this.canvas).getPropertyValue(`--${name}`).trim();
  }

  /** Red, green and blue of a colour of the style sheet. */
  #channels(name) {
    return this.#colour(name).match(/[0-9a-f]{2}/gi).map((digits) => parseInt(digits, 16));
  }

  /** Draws a square picture whose upper left corner is at (corner, corner) px. */
  #spread(image, smooth, corner, side) {
    const picture = new OffscreenCanvas(image.width, image.height);
    picture.getContext("2d").putImageData(image, 0, 0);
    this.context.imageSmoothingEnabled = smooth;
    this.context.drawImage(picture, corner, corner, side, side);
  }

  /** Both channels of a frame: walls opaque, the dot as far as its pixels are bright. */
  #drawPixels({ size, agent, layout }) {
    const [wall, dot] = [this.#channels("wall"), this.#channels("true")];
    const peak = agent.reduce((a, b) => Math.max(a, b), 1e-12);
    const image = new ImageData(size, size);
    agent.forEach((value, at) => {
      const [share, drawn] = [value / peak, layout[at] > 0];
      const colour = drawn ? wall.map((under, i) => under + (dot[i] - under) * share) : dot;
      image.data.set([...colour, drawn ? 255 : 255 * share], 4 * at);
    });
    this.#spread(image, false, -0.5, size);
  }

  /** Steps to the goal as a veil over the room: the nearer the stronger, in bands of ten; none where no safe way is. */
  #drawCosts(map, { world, model }) {
    const inside = world.far_border - world.border;
    if (this.veil?.map !== map) {
      const fine = Math.ceil(FINE / inside);
      const side = fine * inside;
      const [image, colour] = [new ImageData(side, side), this.#channels("goal")];
      const costs = Float64Array.from({ length: side * side }, (_, at) =>
        map.at([at % side, Math.floor(at / side)].map((i) => (world.border + (i + 0.5) / fine) / model.unit)));
      const isSafe = (cost) => cost < map.risk / 2;
      const most = costs.reduce((one, other) => (isSafe(other) ? Math.max(one, other) : one), 1);
      costs.forEach((cost, at) => {
        const strength = (Math.floor(cost / 10) % 2 ? 130 : 95) * 2 ** ((-3 * cost) / most);
        image.data.set([...colour, isSafe(cost) ? strength : 0], 4 * at);
      });
      this.veil = { map, image };
    }
    this.#spread(this.veil.image, true, world.border, inside);
  }

  #drawPath(points, colour, dash = []) {
    this.context.beginPath();
    for (const point of points) this.context.lineTo(...point);
    this.#stroke(colour, 0.35, dash);
  }

  #drawRing([x, y], colour, radius, dash = []) {
    this.context.beginPath();
    this.context.arc(x, y, radius, 0, 2 * Math.PI);
    this.#stroke(colour, 0.6, dash);
  }

  /** A square around a pixel, `half` px from its centre: dark on light, to be seen on floor and wall. */
  #drawBrush([x, y], half) {
    this.context.beginPath();
    this.context.rect(x - half, y - half, 2 * half, 2 * half);
    for (const [colour, width] of [["floor", 0.9], ["ours", 0.45]]) this.#stroke(colour, width, []);
  }

  #stroke(colour, width, dash) {
    this.context.strokeStyle = this.#colour(colour);
    this.context.lineWidth = width;
    this.context.setLineDash(dash);
    this.context.stroke();
  }
}
