"""`python -m tiny_jepa data generate|check|show`."""

import argparse
import re
from dataclasses import replace
from pathlib import Path

import numpy as np

from tiny_jepa.data import generate
from tiny_jepa.data.check import check_folder
from tiny_jepa.data.show import show
from tiny_jepa.data.source import open_source
from tiny_jepa.errors import UserError
from tiny_jepa.worlds.two_rooms import Geometry
from tiny_jepa.worlds.two_rooms.sets import COURSE, RECIPES, SIZES, SetRecipe


def main(argv: list[str]) -> int | None:
    """Runs one command; 1 where `check` found faults, 130 where `generate` was interrupted.

    Raises:
        UserError: bad input of any kind.
    """
    args = _parser().parse_args(argv)
    return args.run(args)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m tiny_jepa data", description=__doc__)
    commands = parser.add_subparsers(required=True, metavar="{generate,check,show}")

    command = commands.add_parser("generate", help="write sets in the course's folder layout")
    command.set_defaults(run=_generate)
    option = command.add_argument
    option("--out", type=Path, required=True, help="the folder that will hold train/, probe_normal/, ...")
    option("--set", action="append", choices=RECIPES, help="only this set (repeatable; default: all)")
    option("--count", type=_positive, help="trajectories of each set (default: the course's)")
    option("--steps", type=_positive, help="actions of each trajectory (default: the course's)")
    sizes = f"{SIZES[0]} to {SIZES[-1]} px (default: {COURSE.size})"
    option("--image-size", type=int, choices=SIZES, default=COURSE.size, metavar="PX", help=sizes)
    option("--dtype", choices=("uint8", "float32"), default="uint8", help="of the frames")
    option("--seed", type=int, default=0)
    option("--door-rate", type=_share, help="share of explorations built to pass the door (default: 0.35)")
    option("--exclude-walls", type=_numbers, default=(), metavar="30,34-36", help="wall columns to leave out")
    option("--exclude-doors", type=_numbers, default=(), metavar="10,20-25", help="door rows to leave out")

    command = commands.add_parser("check", help="look for faults in a folder; exit status 1 where there are any")
    command.set_defaults(run=_check)
    command.add_argument("folder", type=Path)
    command.add_argument(
        "--limit", type=int, default=2000, help="trajectories read of each set; 0: all (default: 2000)"
    )

    command = commands.add_parser("show", help="a contact sheet (PNG) and an animation (GIF) of a set's trajectories")
    command.set_defaults(run=_show)
    option = command.add_argument
    option("data", help="a folder in the course's layout, or procedural[:seed=1,size=65,dtype=float32]")
    option("--set", choices=RECIPES, default="probe_normal/val")
    option("--first", type=int, default=0, help="the first trajectory shown (default: 0)")
    option("--count", type=_positive, default=12, help="trajectories shown (default: 12)")
    option("--out", type=Path, default=Path("."), help="folder for trajectories.png and trajectories.gif")
    return parser


def _generate(args: argparse.Namespace) -> int:
    world = Geometry(size=args.image_size)
    if args.seed < 0:
        raise UserError(f"--seed must not be negative, not {args.seed}")
    recipes = {name: _changed(name, args, world) for name in args.set or RECIPES}
    try:
        for name, recipe in recipes.items():
            new = generate.write_set(args.out, name, recipe, world, args.seed, args.dtype)
            print(f"{args.out / name}: {recipe.count:,} trajectories{'' if new else ', complete before'}")
    except KeyboardInterrupt:
        print("interrupted; the same command goes on from here")
        return 130
    return 0


def _changed(name: str, args: argparse.Namespace, world: Geometry) -> SetRecipe:
    recipe = RECIPES[name]
    if args.door_rate is not None and recipe.kind != "explore" and args.set:
        raise UserError(f"--door-rate is for explorations; {name} is drawn otherwise")
    recipe = replace(
        recipe,
        count=args.count or recipe.count,
        steps=args.steps or recipe.steps,
        door_rate=recipe.door_rate if args.door_rate is None or recipe.kind != "explore" else args.door_rate,
        exclude_walls=args.exclude_walls,
        exclude_doors=args.exclude_doors,
    )
    if not recipe.allowed_walls(world) or not set(world.door_rows) - set(args.exclude_doors):
        raise UserError(f"{name} has no wall column or no door row left after --exclude-walls and --exclude-doors")
    return recipe


def _check(args: argparse.Namespace) -> int:
    if args.limit < 0:
        raise UserError(f"--limit must not be negative, not {args.limit}; 0 reads all")
    return check_folder(args.folder, args.limit)


def _show(args: argparse.Namespace) -> int:
    dataset = open_source(args.data).require(args.set)
    if not 0 <= args.first < len(dataset):
        raise UserError(
            f"{args.set} has the trajectories 0 to {len(dataset) - 1}; --first {args.first} is none of them"
        )
    indices = np.arange(args.first, min(args.first + args.count, len(dataset)))
    print(*show(dataset, indices, args.out), sep="\n")
    return 0


def _positive(text: str) -> int:
    if not text.isdigit() or int(text) == 0:
        raise argparse.ArgumentTypeError(f"expected a whole number above 0, not '{text}'")
    return int(text)


def _share(text: str) -> float:
    try:
        if 0 <= (value := float(text)) <= 1:
            return value
    except ValueError:
        pass
    raise argparse.ArgumentTypeError(f"expected a number from 0 to 1, not '{text}'")


def _numbers(text: str) -> tuple[int, ...]:
    """ "30,34-36" -> (30, 34, 35, 36)"""
    if not re.fullmatch(r"\d+(-\d+)?(,\d+(-\d+)?)*", text):
        raise argparse.ArgumentTypeError(f"expected numbers and ranges such as 30,34-36, not '{text}'")
    numbers: set[int] = set()
    for part in text.split(","):
        low, _, high = part.partition("-")
        numbers |= set(range(int(low), int(high or low) + 1))
    return tuple(sorted(numbers))
