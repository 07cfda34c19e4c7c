// What happens on the page: a true dot, and beside it the dot that a model imagines, which saw one frame.

import { distance } from "./model.mjs";

export class Session {
  /** location in px, in no wall of the world; bytes: what `World.render` takes. */
  constructor(world, model, location, bytes) {
    Object.assign(this, { world, model, location, bytes });
    this.look();
  }

  /** The frame of the dot at a location (where it is now, unless told otherwise). */
  frame(location = this.location) {
    return this.world.render(location, this.bytes);
  }

  /** The model sees the frame of this moment, and none after it. */
  look() {
    this.seen = this.model.encode(this.frame());
    this.imagined = this.seen.code;
    this.reckoned = this.seen.code;
    this.blocked = false;
    this.history = [this.#record()];
  }

  /** The dot tries to move; the model, and dead reckoning, are told the action alone. */
  move(action) {
    const { location, blocked } = this.world.step(this.location, action);
    Object.assign(this, { location, blocked });
    this.imagined = this.model.predict(this.imagined, action, this.seen.context);
    const free = this.model.move(action);
    this.reckoned = this.reckoned.map((value, axis) => value + free[axis]);
    this.history.push(this.#record());
  }

  /** Steps since the frame that the model saw. */
  get steps() {
    return this.history.length - 1;
  }

  /** Where everything is after a step, in px, and how far off the imagined dot and the reckoned one are. */
  #record() {
    const inPx = (code) => code.map((value) => value * this.model.unit);
    const [imagined, reckoned] = [this.imagined, this.reckoned].map(inPx);
    const [error, missed] = [imagined, reckoned].map((point) => distance(point, this.location));
    return { location: this.location, imagined, reckoned, error, missed };
  }

  get now() {
    return this.history.at(-1);
  }
}
