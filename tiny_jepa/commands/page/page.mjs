// The page: what a visitor does becomes actions, goals and drawings; the session becomes pictures and words. The address
// after # is the map: a name, or its pixels.

import { World, pack, unpack } from "./world.mjs";
import { Model, distance } from "./model.mjs";
import { CostToGo, Walker } from "./planner.mjs";
import { Session } from "./session.mjs";
import { View } from "./view.mjs";

const TICK = 45; // ms a step
const SPEED = 1.2; // px a step that an arrow key makes
const REACH = 0.08; // of the room's side: how near the dot a pointer grabs it
const [LEAST, MOST] = [31, 128]; // px: of a picture's side
const ARRIVED = 0.5; // px from the goal, as the model sees it
const PATIENCE = [100, 2]; // steps of a walk, and how many for each that the model counts
const ARROWS = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] };
const FRAMES = { "8 bits": true, float: false }; // whether pixels are whole numbers
const HINTS = { // for pointers, and for keys
  drive: ["Drag the blue dot, or click a goal.", "Arrows drive. Shift and arrows move a goal, Enter walks there. D draws."],
  draw: ["Drag to draw walls.", "Arrows move the brush, Space draws. Enter puts the dot there, Esc ends."],
  wipe: ["Drag to wipe walls.", "Arrows move the brush, Space wipes. Enter puts the dot there, Esc ends."],
};

const element = (id) => document.getElementById(id);
const data = JSON.parse(element("data").textContent);
const view = new View(element("room"));
const held = new Set();
let model, session, goal, map, walk, grabbed;
let mode = "drive";
let cursor = [31, 31];

/** The chosen model and frames. */
function choose() {
  const described = data.models.find((each) => each.name === element("model").value);
  model = new Model(described);
  element("count").textContent = described.parameters.toLocaleString("en");
  begin(session?.world ?? new World(data.geometry, unpack(Object.values(data.maps)[0])));
}

/** A new session, among other walls or with another model; the dot stays where it is, or as near as walls let it. */
function begin(world, at = session?.location ?? [15.3, 20.6]) {
  const place = world.free(at);
  if (!place) return say("All wall: the dot needs room.");
  session = new Session(world, model, place, FRAMES[element("frames").value]);
  abandon();
  say("The model has looked. It knows this frame, and from here on your moves alone.");
}

/** Shows the map that the address names or holds. */
function load() {
  const text = location.hash.slice(1) || Object.keys(data.maps)[0];
  element("map").value = text in data.maps ? text : "";
  if (text === pack(session.world.drawn)) return;
  const drawn = unpack(data.maps[text] ?? text);
  if (drawn) begin(new World(data.geometry, drawn));
  else say("The address holds no map. Choose one, or draw.");
}

/** Draws or wipes along a way, as thick as the walls of training; the goal stays. */
function paint(from, to) {
  const { size, border, far_border, wall_half: half, drawn } = session.world;
  const changed = drawn.slice();
  const steps = Math.ceil(distance(from, to));
  for (let i = 0; i <= steps; i++) {
    const [x, y] = from.map((value, axis) => {
      const at = Math.round(value + ((to[axis] - value) * i) / Math.max(steps, 1));
      return Math.min(Math.max(at, border + 1), far_border - 1);
    });
    for (let row = y - half; row <= y + half; row++) changed.fill(mode === "draw", row * size + x - half, row * size + x + half + 1);
  }
  const aimed = goal;
  begin(new World(data.geometry, changed));
  goal = aimed && session.world.free(aimed);
}

/** A stroke is done: the address holds it, so that going back takes it back; the model plans anew. */
function keep() {
  location.hash = pack(session.world.drawn);
  if (goal) plan(goal);
}

/** A picture's dark pixels are walls. One that is too large loses pixels; what it lacks of a square is wall. */
async function open(file) {
  const picture = await createImageBitmap(file).catch(() => null);
  if (!picture) return say(`${file.name} is no picture that this browser reads.`);
  const scale = Math.min(MOST / Math.max(picture.width, picture.height), 1);
  const [width, height] = [picture.width, picture.height].map((length) => Math.ceil(length * scale));
  const at = data.geometry.border + 1;
  const size = Math.max(width, height, LEAST) + 2 * at;
  const pen = new OffscreenCanvas(size, size).getContext("2d");
  pen.fillRect(0, 0, size, size);
  pen.fillStyle = "white"; // behind what is transparent
  pen.fillRect(at, at, width, height);
  pen.imageSmoothingEnabled = false;
  pen.drawImage(picture, at, at, width, height);
  const { data: colours } = pen.getImageData(0, 0, size, size);
  const light = (at) => 0.299 * colours[at] + 0.587 * colours[at + 1] + 0.114 * colours[at + 2];
  location.hash = pack(Uint8Array.from({ length: size * size }, (_, at) => light(4 * at) < 128));
}

function look() {
  session.look();
  say("The model has looked again, once.");
}

function turn(to) {
  mode = to;
  for (const each of Object.keys(HINTS)) element(each).ariaPressed = each === mode;
  [element("hint").textContent, element("keys").textContent] = HINTS[mode];
}

/** Text for eyes and screen readers. */
function say(text) {
  if (element("status").textContent !== text) element("status").textContent = text;
}

const abandon = () => { [goal, map, walk] = [null, null, null]; };

/** Moves the goal to a point of the room, px, or as near as walls let it; it becomes a frame, and the model reads that. */
function aim(point) {
  abandon();
  goal = session.world.free(point);
}

function plan(point) {
  aim(point);
  const { code, context } = session.model.encode(session.frame(goal));
  walk = { goal: code, context, solving: CostToGo.solve(session.model, context, code, data.planning), steps: 0 };
}

const anywhere = () => [Math.random(), Math.random()].map((share) => share * session.world.size);

/** Goes on solving for some ms, then walks a step. */
function goOn() {
  const until = performance.now() + TICK / 2;
  while (walk.solving) {
    const { done, value } = walk.solving.next();
    if (done) {
      map = value;
      Object.assign(walk, { solving: null, walker: new Walker(session.model, walk.context, map) });
      const { code } = session.model.encode(session.frame());
      walk.expected = map.at(code);
      const count = ` By its own count, the model is ${Math.round(walk.expected)} steps away.`;
      say(`Walking.${walk.expected < map.risk / 3 ? count : ""}`); // more: a risk is counted in, so close is a wall
    } else if (performance.now() > until) {
      return say(`Asking the model which moves it would make: ${25 * Math.floor(4 * value)} %`);
    }
  }
  const { code } = session.model.encode(session.frame());
  const there = distance(code, walk.goal) * session.model.unit < ARRIVED;
  const lost = walk.expected >= data.planning.nowhere || walk.steps > PATIENCE[0] + PATIENCE[1] * walk.expected;
  if (there || lost) {
    say(there ? `There: ${walk.steps} steps, planned by the model alone.` : "The model knows no way there.");
    walk = null;
  } else {
    session.move(walk.walker.choose(code));
    walk.steps++;
  }
}

/** What keys or a dragging pointer ask for: an action in px, or null. */
function wish() {
  let [x, y] = [0, 0];
  if (mode !== "drive") return null;
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
  view.draw(session, { goal, map: element("costs").checked ? map : null, showReckoned: reckoning, cursor: mode === "drive" ? null : cursor });
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
const under = (point) => (distance(point, session.location) < REACH * session.world.size ? "dot" : "goal");

const CURSORS = { dot: "grab", goal: "crosshair" };
const room = element("room");
room.addEventListener("pointerdown", (event) => {
  const at = view.locate(event);
  grabbed = { what: mode === "drive" ? under(at) : "brush", at };
  if (grabbed.what === "brush") paint(at, at);
  room.setPointerCapture(event.pointerId);
});
room.addEventListener("pointermove", (event) => {
  const at = view.locate(event);
  room.style.cursor = mode === "drive" ? CURSORS[grabbed?.what ?? under(at)] : "crosshair";
  if (mode !== "drive") cursor = at.map(Math.round);
  if (grabbed?.what === "brush") paint(grabbed.at, at);
  if (grabbed) grabbed.at = at;
});
for (const end of ["pointerup", "pointercancel"]) {
  room.addEventListener(end, () => {
    if (grabbed?.what === "goal" && end === "pointerup") plan(grabbed.at);
    if (grabbed?.what === "brush") keep();
    grabbed = null;
  });
}

addEventListener("keydown", (event) => {
  const { key } = event;
  const isUsed = event.target.closest("select, input") || (event.target.closest("button") && [" ", "Enter"].includes(key));
  if (isUsed || event.ctrlKey || event.metaKey || event.altKey) return;
  if (key in ARROWS && event.shiftKey) {
    const from = goal ?? session.location;
    aim(from.map((value, axis) => value + 2 * ARROWS[key][axis]));
    say(`Goal at ${goal.map(Math.round).join(", ")}. Press Enter to walk there.`);
  } else if (key === "Escape") turn("drive");
  else if (key.toLowerCase() === "d") turn("draw");
  else if (key.toLowerCase() === "w") turn("wipe");
  else if (mode !== "drive" && (key in ARROWS || key === " ")) brush(key);
  else if (mode !== "drive" && key === "Enter") begin(session.world, cursor);
  else if (key in ARROWS) held.add(key);
  else if (key === "Enter" && goal) plan(goal);
  else if (key === " ") look();
  else if (key.toLowerCase() === "p") plan(anywhere());
  else return;
  event.preventDefault();
});
addEventListener("keyup", ({ key }) => {
  if (key === " " && held.has(key)) keep();
  held.delete(key);
});
addEventListener("blur", () => held.clear());

/** Moves the brush by a key; it paints where Space is pressed, or held on the way. */
function brush(key) {
  const from = cursor;
  if (key === " ") held.add(key);
  else cursor = from.map((value, axis) => Math.min(Math.max(value + ARROWS[key][axis], 0), session.world.size - 1));
  if (held.has(" ")) paint(from, cursor);
  say(`Brush at ${cursor.join(", ")}: ${session.world.drawn[cursor[1] * session.world.size + cursor[0]] ? "wall" : "floor"}.`);
}

element("look").addEventListener("click", look);
element("plan").addEventListener("click", () => plan(anywhere()));
for (const each of Object.keys(HINTS)) element(each).addEventListener("click", () => {
  turn(each);
  room.focus({ preventScroll: true });
});
for (const id of ["model", "frames"]) element(id).addEventListener("change", choose);
element("map").addEventListener("change", () => { location.hash = element("map").value; });
element("clear").addEventListener("click", () => { location.hash = "empty"; });
element("open").addEventListener("click", () => element("file").click());
element("file").addEventListener("change", ({ target }) => { open(target.files[0]); target.value = ""; });
element("share").addEventListener("click", () => {
  say("The address of this page holds the map: share that.");
  navigator.clipboard?.writeText(location.href).then(() => say("Copied: the address of this page, which holds the map."), () => {});
});
addEventListener("dragover", (event) => event.preventDefault());
addEventListener("drop", (event) => {
  event.preventDefault();
  if (event.dataTransfer.files.length) open(event.dataTransfer.files[0]);
});
addEventListener("hashchange", load);
const options = data.models.map(({ name }) => new Option(`budget ${name}`, name, false, name === data.chosen));
element("model").append(...options);
element("frames").append(...Object.keys(FRAMES).map((says) => new Option(says)));
element("map").append(...Object.keys(data.maps).map((name) => new Option(name.replace(/[-_]/g, " "), name)));
choose();
load();
turn("drive");
show(); // before any pointer asks where it is
setInterval(tick, TICK);

/** For the console, and for tests. */
window.tinyJepa = { data, World, Model, CostToGo, Walker, get session() { return session; } };
