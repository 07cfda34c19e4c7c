"""One file that opens in any browser, without a network, and shows what a model knows."""

import base64
import json
import re
from dataclasses import asdict
from importlib.resources import files
from typing import Any

import numpy as np

from tiny_jepa.models.jepa import JEPA
from tiny_jepa.models.size import count_parameters
from tiny_jepa.planning import costtogo
from tiny_jepa.worlds.two_rooms import TWO_ROOMS, Geometry

PARTS = files("tiny_jepa.export") / "page"
SCRIPTS = ("world", "model", "planner", "session", "view", "page")
"""In this order: each imports from those before it."""
PLANNING = ("offsets", "risk", "winding", "nowhere", "arrived", "directions", "sizes", "memory")
"""Constants of `costtogo` that the page's planner needs."""


def build_page(models: dict[str, JEPA], chosen: str, maps: dict[str, np.ndarray]) -> str:
    """The whole page, as HTML: its scripts as one, without imports and exports, for all names are there."""
    page, style, *scripts = (
        (PARTS / name).read_text(encoding="utf-8")
        for name in ("page.html", "page.css", *(f"{name}.mjs" for name in SCRIPTS))
    )
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
