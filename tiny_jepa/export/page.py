"""`python -m tiny_jepa page`: one file that opens in any browser, without a network, and shows what a model knows."""

import base64
import json
import re
from dataclasses import asdict
from importlib.resources import files
from typing import Any

from tiny_jepa.budgets import list_budgets, load_model, parse_count
from tiny_jepa.errors import UserError
from tiny_jepa.export.safetensors import to_bytes
from tiny_jepa.models.jepa import JEPA
from tiny_jepa.models.predictor import SEEN, WINDOW
from tiny_jepa.models.size import count_parameters
from tiny_jepa.planning import costtogo
from tiny_jepa.worlds.two_rooms import TWO_ROOMS, Geometry

PARTS = files("tiny_jepa.export") / "page"
SCRIPTS = ("world", "model", "planner", "session", "view", "page")
"""In this order: each imports from those before it."""
MENU = range(250, 10_001)
"""Parameters of the presets that every page carries."""
LIMIT = 150_000
"""Bytes of a page, at most."""


def describe(model: JEPA, name: str) -> dict[str, Any]:
    """What the page knows of a model: its name, its count of parameters and its weights, in base64."""
    weights = base64.b64encode(to_bytes(model)).decode()
    return {"name": name, "parameters": count_parameters(model), "weights": weights}


def page_data(models: dict[str, JEPA], chosen: str) -> dict[str, Any]:
    """All that the page's scripts are given. No number stands in them that stands in Python, too."""
    return {
        "models": [describe(model, name) for name, model in models.items()],
        "chosen": chosen,
        "gate": {"unit": TWO_ROOMS.frame.unit, "window": WINDOW, "seen": SEEN},
        "geometry": asdict(Geometry()),
        "planning": {
            "limit": 1.8,
            "offsets": costtogo.OFFSETS,
            "risk": costtogo.RISK,
            "nowhere": costtogo.NOWHERE,
            "arrived": costtogo.ARRIVED,
            "directions": costtogo.DIRECTIONS,
            "sizes": costtogo.SIZES,
            "memory": costtogo.MEMORY,
        },
    }


def script() -> str:
    """The page's scripts as one: without their imports, whose names are all there."""
    text = "\n".join((PARTS / f"{name}.mjs").read_text(encoding="utf-8") for name in SCRIPTS)
    return re.sub(r"^export ", "", re.sub(r"^import .*\n", "", text, flags=re.MULTILINE), flags=re.MULTILINE)


def build_page(models: dict[str, JEPA], chosen: str) -> str:
    """The whole page, as HTML."""
    page = (PARTS / "page.html").read_text(encoding="utf-8")
    parts = {
        "/* page.css */": (PARTS / "page.css").read_text(encoding="utf-8"),
        "/* data */": json.dumps(page_data(models, chosen), separators=(",", ":")),
        "/* page.mjs */": script(),
    }
    for place, text in parts.items():
        page = page.replace(place, text)
    return page
