"""`python main.py`: scores a model. The functions have the names of the course's main.py, for others to call."""

import contextlib
import json
import shlex
import statistics
import sys
import time
from pathlib import Path
from typing import Annotated, Any

import torch
from torch import nn

from tiny_jepa.commands import DEFAULT, choose
from tiny_jepa.course import COURSE_SETS, METRICS, Metrics, shown, write_metrics
from tiny_jepa.data import Loader, Source, open_source
from tiny_jepa.device import get_device, machine
from tiny_jepa.errors import UserError
from tiny_jepa.files import require_writable
from tiny_jepa.options import parse, settings, within
from tiny_jepa.probing import ProbingEvaluator
from tiny_jepa.probing.measure import interval, load_group, measure
from tiny_jepa.probing.results import Kind, Result, write_result
from tiny_jepa.weights import ROOT_WEIGHTS, fingerprint, read_weights
from tiny_jepa.worlds import find_world


def load_data(device: torch.device, source: Source | None = None, prober: int = 0) -> tuple[Loader, dict[str, Loader]]:
    """The loader that trains the prober of the short sets, and those it scores. Batches move to `device` later."""
    source = source or open_source(None, find_world(DEFAULT))
    train, scored = load_group(group := source.world.groups[prober], source, source)
    if train is None:
        raise UserError(f"{source.root} has no set {group.train}, which trains the prober")
    return train, scored


def load_expert_data(device: torch.device, source: Source | None = None) -> tuple[Loader, dict[str, Loader]]:
    """The same for the expert set."""
    return load_data(device, source, 1)


def load_model(weights: Path = ROOT_WEIGHTS) -> nn.Module:
    return read_weights(weights)[0]


def evaluate_model(
    device: torch.device, model: nn.Module, probe_train_ds: Any, probe_val_ds: dict[str, Any]
) -> dict[str, float]:
    """Trains a prober, scores it on each set, prints the losses in px² and returns them."""
    evaluator = ProbingEvaluator(device, model, probe_train_ds, probe_val_ds)
    losses = evaluator.evaluate_all(evaluator.train_pred_prober())
    for name, loss in losses.items():
        say(name, [loss], interval(evaluator.errors[name]))
    return losses


def say(name: str, losses: list[float] | None, interval: list[float] | None = None) -> None:
    """Prints one loss as the course does: `normal loss: 0.0593`; then the spread of several seeds, and its interval."""
    text = shown(statistics.fmean(losses) if losses else None)
    if losses and len(losses) > 1:
        text += f" ± {statistics.stdev(losses):.4f} ({len(losses)} seeds)"
    if interval:
        text += f" (95 %: {interval[0]:.4f} to {interval[1]:.4f})"
    print(f"{name} loss: {text}{'' if name in COURSE_SETS else ' (ours)'}", flush=True)


@settings
class Options:
    world: str | None = None  # of the budget, its name or package.module:NAME; a weights file says its own
    data: str | None = None  # folder in the course's layout, or procedural[:seed=1,size=65,dtype=float32]
    prober_data: str | None = None  # train the probers on this source instead, named like --data
    weights: Path | None = None  # weights file; model_weights.pth unless given
    budget: str | None = None  # the trained weights of this budget instead, such as 2k
    model: Kind = "trained"  # what to score
    no_lift: bool = False  # read out the bare agent code
    seeds: Annotated[int, within(1, 1_000)] = 1  # probers trained; several give mean and spread
    course: bool = False  # only the course's four sets
    device: str | None = None  # cpu, cuda or mps; the best there is unless given
    json: bool = False  # one JSON object on stdout, the rest on stderr
    store: Path | None = None  # write the result to this JSON file
    write_metrics: bool = False  # write metrics.txt from what was measured


def main(argv: list[str]) -> None:
    args = parse(Options, argv, "main.py", "Scores a model by the probing protocol.")
    with contextlib.redirect_stdout(sys.stderr if args.json else sys.stdout):
        result = score(args, shlex.join(["python", "main.py", *argv]))
    if args.json:
        print(json.dumps(result.to_json(), allow_nan=False))


def score(args: Options, command: str) -> Result:
    writes = (args.store, METRICS if args.write_metrics else None)
    subject, world = choose(args.weights, args.budget, args.world, args.model, not args.no_lift, writes)
    device, source = get_device(args.device), open_source(args.data, world)
    prober_source = open_source(args.prober_data, world) if args.prober_data else source
    roots = {each.root for each in (source, prober_source) if each.root}
    require_writable(*writes, reads=[file for root in roots for name in world.sets for file in (root / name).glob("*")])
    if args.write_metrics and (subject.weights is None or args.no_lift):
        raise UserError("--write-metrics is for trained, lifted weights; leave --model and --no-lift out")
    print(f"{subject.describe()}\nData: {source.describe()}")
    if prober_source != source:
        print(f"Prober trained on: {prober_source.describe()}")
    print(f"Total Trainable Parameters: {subject.parameters:,}")
    begin, known, seeds = time.monotonic(), subject.metadata, list(range(args.seeds))
    losses, intervals = dict[str, list[float] | None](), dict[str, list[float] | None]()
    groups = [group.only(COURSE_SETS) if args.course else group for group in world.groups]
    for found in measure(subject.model, source, device, seeds=seeds, prober_source=prober_source, groups=groups):
        name, losses[name], intervals[name] = found
        say(*found)
    result = Result(
        model=subject.name,
        kind=subject.kind,
        parameters=subject.parameters,
        fingerprint=fingerprint(subject.model) if subject.weights else None,
        command=command,
        trained_by=known.get("command"),
        trained_on=known.get("data"),
        data=source.spec,
        sets_version=source.sets_version,
        frames=source.frames,
        lift=subject.lift,
        seeds=seeds,
        losses=losses,
        intervals=intervals,
        minutes=known.get("minutes"),
        score_minutes=round((time.monotonic() - begin) / 60, 3),
        measured_at=machine(device),
    )
    if args.store:  # before anything else can fail
        write_result(args.store, result)
    if args.write_metrics:
        means = {name: result.mean(name) for name in COURSE_SETS}
        write_metrics(METRICS, Metrics(means, result.parameters, result.trained_by or "unknown"))
        print(f"wrote {METRICS}")
    return result
