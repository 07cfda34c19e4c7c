// The page: what a visitor does becomes actions, goals and layouts; the session becomes pictures and words.

import { World } from "./world.mjs";
import { Model, distance } from "./model.mjs";
import { CostToGo, Walker } from "./planner.mjs";
import { Session } from "./session.mjs";
import { View } from "./view.mjs";

const TICK = 45; // ms a step
const SPEED = 1.2; // px a step that an arrow key makes
const REACH = 5; // px around the dot, the wall and the door where a pointer grabs them
const ARRIVED = 0.5; // px from the goal, as the model sees it
const PATIENCE = 400; // steps of a walk
const ARROWS = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] };
const FRAMES = [
  { says: "64 px, 8 bits", size: 64, bytes: true },
  { says: "65 px, float", size: 65, bytes: false },
];

const element = (id) => document.getElementById(id);
const data = JSON.parse(element("data").textContent);
const view = new View(element("room"));
const held = new Set();
let session, goal, map, walk, grabbed;

/** A new session with the chosen model and frames; wall, door and dot stay where they are. */
function begin() {
  const { size, bytes } = FRAMES[element("frames").value];
  const described = data.models.find((each) => each.name === element("model").value);
  const world = new World({ ...data.geometry, size });
  const [layout, location] = [session?.layout ?? [31, 40], session?.location ?? [15.3, 20.6]];
  session = new Session(world, new Model(described), layout, location, bytes);
  element("count").textContent = described.parameters.toLocaleString("en");
  for (const [axis, id, margin] of [[0, "wall", world.wall_margin], [1, "door", world.door_margin]]) {
    Object.assign(element(id), { min: margin, max: size - 1 - margin, value: layout[axis] });
  }
  arrange(layout);
}

function arrange(layout) {
  session.arrange(layout);
  [element("wall").value, element("door").value] = session.layout;
  abandon();
  say("The model has looked. It knows this frame, and from here on your moves alone.");
}

function look() {
  session.look();
  say("The model has looked again, once.");
}

/** Text for eyes and screen readers. */
function say(text) {
  if (element("status").textContent !== text) element("status").textContent = text;
}

const abandon = () => { [goal, map, walk] = [null, null, null]; };

/** Moves the goal to a point of the room, px; it becomes a frame, and the model reads that. */
function aim(point) {
  const { border, far_border } = session.world;
  abandon();
  goal = point.map((value) => Math.min(Math.max(value, border + 1), far_border - 1));
}

function plan(point) {
  aim(point);
  const { code, context } = session.model.encode(session.frame(goal));
  walk = { goal: code, context, solving: CostToGo.solve(session.model, context, code, data.planning), steps: 0 };
}

/** A point of the other room, at the height that mirrors the dot's. */
function across() {
  const { layout, location, world } = session;
  const room = location[0] < layout[0] ? [layout[0], world.far_border] : [world.border, layout[0]];
  return [(room[0] + room[1]) / 2, world.size - 1 - location[1]];
}

/** Goes on solving for some ms, then walks a step. */
function goOn() {
  const until = performance.now() + TICK / 2;
  while (walk.solving) {
    const { done, value } = walk.solving.next();
    if (done) {
      map = value;
      Object.assign(walk, { solving: null, walker: new Walker(session.model, walk.context, map) });
      const { code } = session.model.encode(session.frame());
      say(`Walking. By its own count, the model is ${Math.round(map.at(code))} steps away.`);
    } else if (performance.now() > until) {
      return say(`Asking the model which moves it would make: ${25 * Math.floor(4 * value)} %`);
    }
  }
  const { code } = session.model.encode(session.frame());
  const there = distance(code, walk.goal) * session.model.unit < ARRIVED;
  if (there || walk.steps === PATIENCE) {
    say(there ? `There: ${walk.steps} steps, planned by the model alone.` : "The model finds no way.");
    walk = null;
  } else {
    session.move(walk.walker.choose(code));
    walk.steps++;
  }
}

/** What keys or a dragging pointer ask for: an action in px, or null. */
function wish() {
  let [x, y] = [0, 0];
  if (grabbed?.what === "dot") {
    [x, y] = [grabbed.at[0] - session.location[0], grabbed.at[1] - session.location[1]];
  } else {
    for (const key of held) [x, y] = [x + ARROWS[key][0], y + ARROWS[key][1]];
  }
  const length = Math.hypot(x, y);
  const step = grabbed ? Math.min(length, data.planning.limit) : SPEED;
  return length > 0.05 ? [(x / length) * step, (y / length) * step] : null;
}

function tick() {
  const action = wish();
  if (action) {
    walk = null;
    session.move(action);
    const off = `${session.now.error.toFixed(2)} px off`;
    say(session.blocked ? `Stopped. The imagined dot is ${off}.` : session.steps % 25 ? element("status").textContent
      : `${session.steps} steps; the imagined dot is ${off}.`);
  } else if (walk) {
    goOn();
  }
  show();
}

function show() {
  const reckoning = element("reckoning").checked;
  view.draw(session, { goal, map: element("costs").checked ? map : null, showReckoned: reckoning });
  drawLine("error");
  drawLine("missed");
  const { code, context } = session.seen;
  const [x, y] = code.map((value) => (value * session.model.unit).toFixed(1));
  const texts = {
    error: session.now.error.toFixed(2),
    missed: session.now.missed.toFixed(2),
    steps: session.steps,
    read: `dot ${x}, ${y}; a map of which ${context.filter(Boolean).length} pixels are drawn`,
  };
  for (const [id, text] of Object.entries(texts)) element(id).value = text;
  for (const id of ["missed-key", "missed-gauge", "missed-line"]) element(id).classList.toggle("hidden", !reckoning);
}

/** The course of an error on a logarithmic axis, 0.01 to 100 px. */
function drawLine(name) {
  const width = 100 / Math.max(60, session.steps);
  const point = (step, i) => `${i * width},${2 - Math.log10(Math.min(Math.max(step[name], 0.01), 100))}`;
  element(`${name}-line`).setAttribute("points", session.history.map(point).join(" "));
}

/** What a pointer at a point of the room, px, would take hold of. */
function under(point) {
  const [wall, door] = [point[0] - session.layout[0], point[1] - session.layout[1]];
  if (distance(point, session.location) < REACH) return "dot";
  if (Math.abs(wall) > REACH / 2) return "goal";
  return Math.abs(door) <= session.world.door_half ? "door" : "wall";
}

const CURSORS = { dot: "grab", wall: "ew-resize", door: "ns-resize", goal: "crosshair" };
const room = element("room");
room.addEventListener("pointerdown", (event) => {
  const at = view.locate(event);
  grabbed = { what: under(at), at };
  room.setPointerCapture(event.pointerId);
});
room.addEventListener("pointermove", (event) => {
  const at = view.locate(event);
  room.style.cursor = CURSORS[grabbed?.what ?? under(at)];
  if (!grabbed) return;
  grabbed.at = at;
  if (grabbed.what === "wall") arrange([at[0], session.layout[1]]);
  if (grabbed.what === "door") arrange([session.layout[0], at[1]]);
});
room.addEventListener("pointerup", () => {
  if (grabbed?.what === "goal") plan(grabbed.at);
  grabbed = null;
});
room.addEventListener("pointercancel", () => { grabbed = null; });

addEventListener("keydown", (event) => {
  if (event.target.closest("select, input, button") || event.ctrlKey || event.metaKey || event.altKey) return;
  if (event.key in ARROWS && event.shiftKey) {
    const from = goal ?? session.location;
    aim(from.map((value, axis) => value + 2 * ARROWS[event.key][axis]));
    say(`Goal at ${goal.map(Math.round).join(", ")}. Press Enter to walk there.`);
  } else if (event.key in ARROWS) held.add(event.key);
  else if (event.key === "Enter" && goal) plan(goal);
  else if (event.key === " ") look();
  else if (event.key.toLowerCase() === "p") plan(across());
  else return;
  event.preventDefault();
});
addEventListener("keyup", (event) => held.delete(event.key));
addEventListener("blur", () => held.clear());

element("look").addEventListener("click", look);
element("plan").addEventListener("click", () => plan(across()));
for (const id of ["model", "frames"]) element(id).addEventListener("change", begin);
for (const id of ["wall", "door"]) {
  element(id).addEventListener("input", () => arrange([Number(element("wall").value), Number(element("door").value)]));
}
const options = data.models.map(({ name }) => new Option(`budget ${name}`, name, false, name === data.chosen));
element("model").append(...options);
element("frames").append(...FRAMES.map(({ says }, i) => new Option(says, i)));
begin();
show(); // before any pointer asks where it is
setInterval(tick, TICK);

/** For the console, and for tests. */
window.tinyJepa = { data, World, Model, CostToGo, Walker, get session() { return session; } };
