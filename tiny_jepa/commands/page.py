"""`python -m tiny_jepa page`: one file that opens in any browser, without a network, and shows what a model knows."""

import base64
import json
import re
from dataclasses import asdict
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np

from tiny_jepa import list_budgets, load_model
from tiny_jepa.budgets import parse_count
from tiny_jepa.commands import choose, the_course
from tiny_jepa.errors import UserError
from tiny_jepa.files import write_text
from tiny_jepa.models import JEPA, count_parameters
from tiny_jepa.options import parse, settings
from tiny_jepa.planning import costtogo
from tiny_jepa.worlds.two_rooms import TWO_ROOMS, Geometry, boxes_of, render_layouts
from tiny_jepa.worlds.two_rooms.plans import maze

MENU = range(250, 10_001)  # parameters of the presets that every page has
LIMIT = 150_000  # bytes of a page, at most
EXAMPLES = Path(__file__).parents[2] / "examples" / "maps"  # up to 128 px a side
PARTS = Path(__file__).with_name("page")
FILES = ("page.html", "page.css", *(f"{name}.mjs" for name in ("world", "model", "planner", "session", "view", "page")))
"""Scripts are in this order: each imports from those before it."""
PLANNING = ("offsets", "risk", "winding", "nowhere", "arrived", "directions", "sizes", "memory")
"""Constants of `costtogo` that the page's planner needs."""


@settings
class Options:
    budget: str = "250"  # the trained preset that the page opens with; its menu has all from 250 to 10k
    weights: Path | None = None  # a weights file of one's own, for the menu too, to open with instead
    out: Path = Path("page.html")  # the file to write


def maps() -> dict[str, np.ndarray]:
    """The maps of the menu [S, S] bool; in a checkout that can read pictures, those of examples/maps among them."""
    world = Geometry()
    scenes = {"two_rooms": boxes_of(world, np.array([[31, 40]])), "maze": maze(world, 1, np.random.default_rng(3))}
    drawn = {name: render_layouts(world, walls)[0] > 0 for name, walls in scenes.items()}
    if find_spec("PIL") and find_spec("gymnasium"):
        from tiny_jepa.worlds.two_rooms.maps import framed, read_picture

        drawn |= {path.stem: framed(read_picture(path)) for path in sorted(EXAMPLES.glob("*.png"))}
    return drawn | {"empty": np.zeros((world.size, world.size), bool)}


def main(argv: list[str]) -> None:
    args = parse(Options, argv, "python -m tiny_jepa page", __doc__ or "")
    subject, world = choose(args.weights, None if args.weights else args.budget, writes=(args.out,))
    world = the_course(world, "the page")
    models = {name: load_model(name) for name in list_budgets() if parse_count(name) in MENU}
    assert isinstance(subject.model, JEPA)
    chosen = subject.name if args.weights is None else args.weights.name
    models[chosen] = subject.model
    page = build_page(models, chosen, maps())
    if (size := len(page.encode())) > LIMIT:
        raise UserError(f"with {chosen} the page has {size:,} bytes, more than {LIMIT:,}; choose a smaller model")
    write_text(args.out, page)
    print(f"wrote {args.out} ({size:,} bytes): open it in a browser")


def build_page(models: dict[str, JEPA], chosen: str, maps: dict[str, np.ndarray]) -> str:
    """The whole page, as HTML: its scripts as one, without imports and exports, for all names are there."""
    page, style, *scripts = ((PARTS / name).read_text(encoding="utf-8") for name in FILES)
    data = json.dumps(page_data(models, chosen, maps), separators=(",", ":")).replace("<", "\\u003c")
    script = re.sub(r"^(import .*\n|export )", "", "\n".join(scripts), flags=re.MULTILINE)
    return page.replace("/* page.css */", style).replace("/* data */", data).replace("/* page.mjs */", script)


def page_data(models: dict[str, JEPA], chosen: str, maps: dict[str, np.ndarray]) -> dict[str, Any]:
    """All that the page's scripts are given; maps [S, S] bool. No number of a model or the planner stands in them."""
    assert TWO_ROOMS.task
    planning = {name: getattr(costtogo, name.upper()) for name in PLANNING} | {"limit": TWO_ROOMS.task.actions.limit}
    described = []
    for name, model in models.items():
        known = {"name": name, "parameters": count_parameters(model), "unit": model.frame.unit}
        known |= {key: getattr(model.architecture, key) for key in ("reach", "corners")}
        known["crossings"] = model.predictor.crossings
        arrays = {key: values.numpy().astype("<f4") for key, values in model.state_dict().items()}
        weights = {key: base64.b64encode(array.tobytes()).decode() for key, array in arrays.items()}
        described.append(known | {"weights": weights})
    geometry, packed = asdict(Geometry()), {name: pack(drawn) for name, drawn in maps.items()}
    return {"models": described, "chosen": chosen, "maps": packed, "geometry": geometry, "planning": planning}


def pack(drawn: np.ndarray) -> str:
    """A map [S, S] bool as the page's address has it."""
    return base64.urlsafe_b64encode(np.packbits(drawn).tobytes()).decode().rstrip("=")
