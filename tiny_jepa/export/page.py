"""One file that opens in any browser, without a network, and shows what a model knows."""

import base64
import json
import re
from dataclasses import asdict
from importlib.resources import files
from typing import Any

from tiny_jepa.export.quantise import coded
from tiny_jepa.models.jepa import JEPA
from tiny_jepa.models.size import count_parameters
from tiny_jepa.planning import costtogo
from tiny_jepa.worlds.two_rooms import TWO_ROOMS, Geometry

PARTS = files("tiny_jepa.export") / "page"
SCRIPTS = ("world", "model", "planner", "session", "view", "page")
"""In this order: each imports from those before it."""


def build_page(models: dict[str, JEPA], chosen: str) -> str:
    """The whole page, as HTML."""
    page = (PARTS / "page.html").read_text(encoding="utf-8")
    parts = {
        "/* page.css */": (PARTS / "page.css").read_text(encoding="utf-8"),
        "/* data */": json.dumps(page_data(models, chosen), separators=(",", ":")).replace("<", "\\u003c"),
        "/* page.mjs */": script(),
    }
    for place, text in parts.items():
        page = page.replace(place, text)
    return page


def script() -> str:
    """The page's scripts as one: without imports, for all names are there, and without exports."""
    text = "\n".join((PARTS / f"{name}.mjs").read_text(encoding="utf-8") for name in SCRIPTS)
    return re.sub(r"^(import .*\n|export )", "", text, flags=re.MULTILINE)


def page_data(models: dict[str, JEPA], chosen: str) -> dict[str, Any]:
    """All that the page's scripts are given. No number of a model, a world or the planner stands in them."""
    assert TWO_ROOMS.task
    return {
        "models": [describe(model, name) for name, model in models.items()],
        "chosen": chosen,
        "geometry": asdict(Geometry()),
        "planning": {
            "limit": TWO_ROOMS.task.actions.limit,
            "offsets": costtogo.OFFSETS,
            "risk": costtogo.RISK,
            "nowhere": costtogo.NOWHERE,
            "arrived": costtogo.ARRIVED,
            "directions": costtogo.DIRECTIONS,
            "sizes": costtogo.SIZES,
            "memory": costtogo.MEMORY,
        },
    }


def describe(model: JEPA, name: str) -> dict[str, Any]:
    """What the page knows of a model: its name, its count of parameters, its form, and its weights: base64 by name."""
    arrays = coded(model.state_dict(), "float32")
    weights = {key: base64.b64encode(array.tobytes()).decode() for key, array in arrays.items()}
    form = {key: getattr(model.architecture, key) for key in ("crossings", "reach", "corners")}
    return {"name": name, "parameters": count_parameters(model), "unit": model.frame.unit, **form, "weights": weights}
