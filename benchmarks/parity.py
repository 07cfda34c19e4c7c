"""The same rollouts by torch, by the page's JavaScript and by onnxruntime, each preset of the page's menu.

Random starts, layouts and 16 actions; JavaScript draws and reads its own frames and calculates in doubles. Needs node
and onnxruntime. Writes the table of results/parity.md, which says what its columns are.
"""

import copy
import json
import subprocess
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
import torch

from benchmarks.shared import run, write_table
from tiny_jepa import load_model
from tiny_jepa.commands.export import write_onnx
from tiny_jepa.commands.page import PARTS, pack, page_data
from tiny_jepa.tables import markdown
from tiny_jepa.worlds.two_rooms import UNIT, Geometry, explore, render_agents, render_layouts, sample_layouts
from tiny_jepa.worlds.two_rooms.trajectories import anywhere, exploring_actions
from tiny_jepa.worlds.two_rooms.walls import Cells

MENU = ("250", "500", "2k", "10k")
FRAMES: dict[str, tuple[int, type]] = {
    "64 px, uint8": (64, np.uint8),
    "65 px, float32": (65, np.float32),
    "96 px, drawn": (96, np.uint8),
}
APART = 1e-4  # px
ROLLOUTS = """(given) => {
  const {World, Model, data, unpack} = tinyJepa;
  const model = new Model(data.models.find(({name}) => name === given.budget));
  return given.starts.map((start, i) => {
    const {code, context} = model.encode(new World(data.geometry, unpack(given.maps[i])).render(start, given.bytes));
    const codes = [code];
    for (const action of given.actions[i]) codes.push(model.predict(codes.at(-1), action, context));
    return codes;
  });
}"""
"""All given rollouts by the page's JavaScript: codes [N, 17, 2]."""


def node(function: str, given: dict[str, Any]) -> Any:
    """Calls a JavaScript function in node, where `tinyJepa` is what the page's scripts export."""
    script = f"""import {{ readFileSync }} from "node:fs";
        const {{ data, given }} = JSON.parse(readFileSync(0));
        const modules = ["world", "model", "planner"].map((name) => import(`{PARTS.as_uri()}/${{name}}.mjs`));
        const tinyJepa = Object.assign({{ data }}, ...(await Promise.all(modules)));
        console.log(JSON.stringify(({function})(given)));"""
    data = page_data({name: load_model(name) for name in MENU}, MENU[0], {})
    fed, command = json.dumps({"data": data, "given": given}), ["node", "--input-type=module", "--eval", script]
    return json.loads(subprocess.run(command, input=fed, capture_output=True, text=True, check=True).stdout)


def sketch(world: Geometry, count: int, rng: np.random.Generator) -> np.ndarray:
    """Drawings [count, S, S] bool as a visitor might leave them: bars and blocks anywhere, and single pixels."""
    drawn = rng.random((count, world.size, world.size)) < rng.choice([0, 0, 0.03], (count, 1, 1))
    for each in drawn:
        for x, y in rng.integers(world.size, size=(world.size // 3, 2)):
            width, height = rng.integers(1, (4, 20) if rng.integers(2) else (20, 4))
            each[y : y + height, x : x + width] = True
    return drawn


def draw(frames: str, count: int, seed: int = 7) -> tuple[dict[str, Any], torch.Tensor, torch.Tensor]:
    """Random rollouts -> what JavaScript is given of them, first frames [N, 2, S, S], actions [N, 16, 2]."""
    size, dtype = FRAMES[frames]
    world, rng = Geometry(size=size), np.random.default_rng(seed)
    if "drawn" in frames:
        edge, lines = world.border + 1, render_layouts(world, np.zeros((count, 0, 4)), bool)
        inner = sketch(world, count, rng)[:, edge:-edge, edge:-edge]  # what touches a border goes on beyond
        drawn = lines | np.pad(inner, ((0, 0), (edge, edge), (edge, edge)), "edge")
        starts, wall, each = anywhere(world, count, rng), Cells.of(drawn).wall, np.arange(count)
        while (within := wall[(each, *starts.T[::-1].astype(int))]).any():
            starts[within] = anywhere(world, int(within.sum()), rng)
        actions, layouts = exploring_actions(count, 16, rng), 255 * drawn.astype(dtype)
    else:
        locations, actions, walls = explore(world, sample_layouts(world, count, rng), 16, rng, 0.35)
        starts, layouts = locations[:, 0], render_layouts(world, walls, dtype)
    starts, actions = (each.astype(np.float32).astype(float) for each in (starts, actions))
    first = np.stack([render_agents(world, starts, dtype), layouts], axis=1)
    given = {"bytes": dtype is np.uint8, "maps": [pack(each) for each in first[:, 1] > 0]}
    given |= {"starts": starts.tolist(), "actions": actions.tolist()}
    return given, torch.from_numpy(first), torch.from_numpy(actions)


@torch.no_grad()
def by_torch(budget: str, first: torch.Tensor, actions: torch.Tensor) -> tuple[np.ndarray, np.ndarray]:
    """Predictions in double and in single precision, [N, 17, 2] px."""
    model = load_model(budget)
    single = model.unroll(model.encode_agent(first), actions.float(), model.encode_context(first))
    agents, exact = first[:, 0].double(), copy.deepcopy(model).double()
    # `marginals`, without its rounding to float32
    profiles = torch.stack([agents.sum(1), agents.sum(2)], dim=1) / agents.amax((1, 2))[:, None, None]
    double = exact.unroll(exact.agent_encoder(profiles), actions, model.encode_context(first))
    return double.numpy() * UNIT, single.numpy() * UNIT


def farthest(one: np.ndarray, other: np.ndarray) -> np.ndarray:
    """The largest difference within each rollout [N] px."""
    return np.abs(one - other).max((1, 2))


def main(count: int = 1_000) -> None:
    import onnxruntime

    rows = []
    for budget in MENU:
        with tempfile.TemporaryDirectory() as folder:
            write_onnx(load_model(budget), unroll := Path(folder) / "model.onnx")
            session = onnxruntime.InferenceSession(unroll)
        for frames in FRAMES:
            given, first, actions = draw(frames, count)
            double, single = by_torch(budget, first, actions)
            script = np.array(node(ROLLOUTS, {"budget": budget, **given})) * UNIT
            fed = {"frames": first.float().numpy(), "actions": actions.float().numpy()}
            runtime = session.run(None, fed)[0] * UNIT
            apart = [f"{(farthest(one, single) > APART).sum()}" for one in (double, script, runtime)]
            middle = f"{np.median(farthest(runtime, single)):.0e}"
            rows.append([budget, frames, f"{farthest(script, double).max():.0e}", middle, *apart])
    names = ["JavaScript, largest", "onnxruntime, median", "apart: torch", "apart: JavaScript", "apart: onnxruntime"]
    write_table(Path("results/parity.md"), markdown(["preset", "frames", *names], rows))


if __name__ == "__main__":
    run(main)
