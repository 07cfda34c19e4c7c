"""`python -m tiny_jepa data generate|collect|check`."""

from dataclasses import asdict, replace
from pathlib import Path
from typing import Annotated, Any, Literal

import tyro

from tiny_jepa.commands import DEFAULT
from tiny_jepa.data.collect import collect
from tiny_jepa.data.episodes import Collection
from tiny_jepa.data.folder import CourseSet, inspect
from tiny_jepa.data.source import open_source
from tiny_jepa.data.writing import draft, write_sets
from tiny_jepa.errors import UserError
from tiny_jepa.options import Numbers, Seed, choose_verb, parse, settings, within
from tiny_jepa.tables import markdown
from tiny_jepa.worlds import find_world
from tiny_jepa.worlds.contract import UNUSUAL
from tiny_jepa.worlds.two_rooms import Geometry
from tiny_jepa.worlds.two_rooms.plans import PLANS
from tiny_jepa.worlds.two_rooms.sets import COURSE, RECIPES, SETS_VERSION, SIZES, ProceduralSet

PROG = "python -m tiny_jepa data"
Names: Any = tuple[Literal[tuple(RECIPES)], ...]  # type: ignore


@settings
class Generate:
    out: Path  # the folder that will hold train/, probe_normal/, ...
    set: tyro.conf.UseAppendAction[Names] = ()  # one of those to write: all unless given
    count: Annotated[int, within(1, 10**7)] | None = None  # trajectories of each set; the course's unless given
    steps: Annotated[int, within(1, 10**4)] | None = None  # actions of each trajectory; the course's unless given
    image_size: Annotated[int, within(SIZES[0], SIZES[-1])] = COURSE.size  # px
    dtype: Literal["uint8", "float32"] = "uint8"  # of the frames
    seed: Seed = 0  # of the trajectories
    door_rate: Annotated[float, within(0, 1)] | None = None  # share of explorations built to pass the door
    exclude_walls: Numbers = ()  # wall columns to leave out, such as 30,34-36
    exclude_doors: Numbers = ()  # door rows to leave out, such as 10,20-25


@settings
class Check:
    folder: tyro.conf.Positional[Path]  # that holds train/, probe_normal/, ...
    limit: Annotated[int, within(0, 10**9)] = 2000  # trajectories read of each set; 0: all
    world: str = DEFAULT  # whose sets they are


def main(argv: list[str]) -> int:
    """Runs one command; 1 where `check` found faults."""
    verb = choose_verb(argv, PROG, {verb: says for verb, (_, _, says) in VERBS.items()})
    options, run, says = VERBS[verb]
    return run(parse(options, argv[1:], f"{PROG} {verb}", says))


def _generate(args: Generate) -> int:
    world, drafts = Geometry(size=args.image_size), []
    for name in dict.fromkeys(args.set or RECIPES):
        recipe = RECIPES[name]
        explored, one_door = recipe.kind == "explore", recipe.kind not in PLANS
        if args.set and args.door_rate is not None and not explored:
            raise UserError(f"--door-rate is for explorations; {name} is drawn otherwise")
        if args.set and (args.exclude_walls or args.exclude_doors) and not one_door:
            raise UserError(f"--exclude-walls and --exclude-doors are for two rooms with one door; {name} has others")
        asked: dict[str, Any] = {"count": args.count, "steps": args.steps}
        asked |= {"door_rate": args.door_rate} if explored else {}
        asked |= {"exclude_walls": args.exclude_walls, "exclude_doors": args.exclude_doors} if one_door else {}
        recipe = replace(recipe, **{option: value for option, value in asked.items() if value is not None})
        if not all(recipe.allowed(world)):
            raise UserError(f"{name} has no wall column or no door row left after --exclude-walls and --exclude-doors")
        drawn = {"set": name, "sets_version": SETS_VERSION, "recipe": asdict(recipe), "world": asdict(world)}
        dataset = ProceduralSet(name, recipe, world, args.seed, args.dtype)
        drafts.append(draft(dataset, args.out / name, drawn | {"seed": args.seed, "dtype": args.dtype}))
    return write_sets(drafts)


def _check(args: Check) -> int:
    if (world := find_world(args.world)).inspect is None:
        raise UserError(f"the world {args.world} does not say what to look for")
    open_source(str(args.folder), world)
    rows, faults = list[list[str]](), list[str]()
    for name in (name for name in world.sets if (args.folder / name).is_dir()):
        form, found = ["-"] * 4, list[str]()
        try:
            dataset = CourseSet(args.folder / name, name, world)
            count, frames, _, px, _ = map(str, dataset.states_file.shape)
            form = [count, frames, px, str(dataset.states_file.dtype)]
            counts, read = inspect(dataset, args.limit)
            found = [f"{fault} ({bad:,} of {read:,} trajectories read)" for fault, bad in counts.items()]
        except UserError as error:  # whatever stops the reading is a fault, too
            found.append(str(error))
        wrong = sum(not fault.startswith(UNUSUAL) for fault in found)
        rows.append([name, *form, str(wrong or "none")])
        faults += [f"fault in {name}: {each}" for each in found]
    print(markdown(["set", "trajectories", "frames", "px", "dtype", "faults"], rows), *faults, sep="\n")
    return int(any(row[-1] != "none" for row in rows))


VERBS: dict[str, tuple[Any, Any, str]] = {
    "generate": (Generate, _generate, "write sets in the course's folder layout"),
    "collect": (Collection, collect, "record trajectories from an environment of gymnasium's"),
    "check": (Check, _check, "look for faults in a folder; exit status 1 where there are any"),
}
