// Draws the room as the model gets it, pixel by pixel, and over it what only the visitor sees.

const TAU = 2 * Math.PI;

export class View {
  constructor(canvas) {
    this.canvas = canvas;
    this.pixels = document.createElement("canvas");
  }

  /** px of the room for a pointer event. */
  locate(event) {
    const box = this.canvas.getBoundingClientRect();
    const at = (offset, length) => (offset / length) * this.size - 0.5;
    return [at(event.clientX - box.left, box.width), at(event.clientY - box.top, box.height)];
  }

  /** session; goal [x, y] px or null; costs [rows][columns] of cost-to-go over the room, or null. */
  draw(session, { goal, costs, showReckoned }) {
    const { canvas } = this;
    this.size = session.world.size;
    const side = Math.round(canvas.clientWidth * (window.devicePixelRatio || 1));
    if (canvas.width !== side) canvas.width = canvas.height = side;
    const style = getComputedStyle(canvas);
    this.colour = (name) => style.getPropertyValue(`--${name}`).trim();
    this.context = canvas.getContext("2d");
    this.context.setTransform(1, 0, 0, 1, 0, 0);
    this.#drawPixels(session.frame());
    // from here on lengths are px of the room, a pixel's centre at its index
    const scale = side / this.size;
    this.context.setTransform(scale, 0, 0, scale, scale / 2, scale / 2);
    if (costs) this.#drawCosts(costs);
    if (goal) this.#drawGoal(goal);
    const trail = (name) => session.history.map((step) => step[name]);
    if (showReckoned) this.#drawPath(trail("reckoned"), "missed", [1, 1]);
    this.#drawPath(trail("location"), "true");
    this.#drawPath(trail("imagined"), "ours", [0.6, 1]);
    if (showReckoned) this.#drawRing(session.now.reckoned, "missed", 2.2, [0.8, 0.8]);
    this.#drawRing(session.now.imagined, "ours", 2.6);
  }

  #drawPixels({ size, agent, layout }) {
    const channels = (name) => this.colour(name).match(/[0-9a-f]{2}/gi).map((digits) => parseInt(digits, 16));
    const [floor, wall, dot] = ["floor", "wall", "true"].map(channels);
    const peak = agent.reduce((a, b) => Math.max(a, b), 1e-12);
    const image = new ImageData(size, size);
    agent.forEach((value, at) => {
      const under = layout[at] > 0 ? wall : floor;
      for (let i = 0; i < 3; i++) image.data[4 * at + i] = under[i] + (dot[i] - under[i]) * (value / peak);
      image.data[4 * at + 3] = 255;
    });
    this.pixels.width = this.pixels.height = size;
    this.pixels.getContext("2d").putImageData(image, 0, 0);
    this.context.imageSmoothingEnabled = false;
    this.context.drawImage(this.pixels, 0, 0, this.canvas.width, this.canvas.width);
  }

  /** Lines of equal cost: bands of ten steps, the nearer the goal the stronger. */
  #drawCosts({ at, most }) {
    this.context.fillStyle = this.colour("goal");
    for (let y = 0; y < this.size; y++) {
      for (let x = 0; x < this.size; x++) {
        const cost = at(x, y);
        if (cost > most) continue;
        this.context.globalAlpha = 0.3 * (1 - cost / most) * (Math.floor(cost / 5) % 2 ? 1 : 0.72);
        this.context.fillRect(x - 0.5, y - 0.5, 1, 1);
      }
    }
    this.context.globalAlpha = 1;
  }

  #drawGoal([x, y]) {
    this.#drawRing([x, y], "goal", 2.6);
    this.context.fillStyle = this.colour("goal");
    this.context.beginPath();
    this.context.arc(x, y, 0.9, 0, TAU);
    this.context.fill();
  }

  #drawPath(points, colour, dash = []) {
    this.context.beginPath();
    for (const point of points) this.context.lineTo(...point);
    this.#stroke(colour, 0.35, dash);
  }

  #drawRing([x, y], colour, radius, dash = []) {
    this.context.beginPath();
    this.context.arc(x, y, radius, 0, TAU);
    this.#stroke(colour, 0.6, dash);
  }

  #stroke(colour, width, dash) {
    this.context.strokeStyle = this.colour(colour);
    this.context.lineWidth = width;
    this.context.setLineDash(dash);
    this.context.stroke();
  }
}

/** The course of both errors on a logarithmic axis from 0.01 to 100 px, the latest steps at the right. */
export class Chart {
  constructor(canvas) {
    this.canvas = canvas;
  }

  draw(history, showReckoned) {
    const ratio = window.devicePixelRatio || 1;
    const [width, height] = [this.canvas.clientWidth, this.canvas.clientHeight];
    Object.assign(this.canvas, { width: width * ratio, height: height * ratio });
    const context = this.canvas.getContext("2d");
    const colour = (name) => getComputedStyle(this.canvas).getPropertyValue(`--${name}`).trim();
    const steps = Math.max(60, history.length - 1);
    const [left, right] = [34, width - 4];
    const down = (error) => 8 + (height - 16) * (1 - (Math.log10(Math.min(Math.max(error, 0.01), 100)) + 2) / 4);
    context.scale(ratio, ratio);
    context.font = "11px system-ui, sans-serif";
    context.textAlign = "right";
    context.textBaseline = "middle";
    for (const error of [0.01, 0.1, 1, 10, 100]) {
      context.fillStyle = colour("quiet");
      context.fillText(error, left - 6, down(error));
      context.fillStyle = colour("line");
      context.fillRect(left, down(error), right - left, 1);
    }
    for (const [name, shown] of [["missed", showReckoned], ["error", true]]) {
      if (!shown) continue;
      context.beginPath();
      history.forEach((step, i) => context.lineTo(left + ((right - left) * i) / steps, down(step[name])));
      context.strokeStyle = colour(name === "error" ? "ours" : "missed");
      context.lineWidth = 2;
      context.stroke();
    }
  }
}
