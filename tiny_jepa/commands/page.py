"""`python -m tiny_jepa page`: one file that opens in any browser, without a network, and shows what a model knows."""

from importlib.util import find_spec
from pathlib import Path

import numpy as np

from tiny_jepa import list_budgets, load_model
from tiny_jepa.budgets import parse_count
from tiny_jepa.commands import choose, the_course
from tiny_jepa.errors import UserError
from tiny_jepa.export.page import build_page
from tiny_jepa.files import write_text
from tiny_jepa.models.jepa import JEPA
from tiny_jepa.options import parse, settings
from tiny_jepa.worlds.two_rooms import Geometry, boxes_of, render_layouts
from tiny_jepa.worlds.two_rooms.plans import maze

MENU = range(250, 10_001)  # parameters of the presets that every page has
LIMIT = 150_000  # bytes of a page, at most
EXAMPLES = Path(__file__).parents[2] / "examples" / "maps"  # up to 128 px a side


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
