"""What `train.py` runs: from a budget to trained weights."""

import json
import shlex
import shutil
import signal
from dataclasses import asdict, field, replace
from functools import partial
from pathlib import Path
from typing import Annotated

import torch
from pydantic import AfterValidator

from tiny_jepa.budgets import Budget, find_budget
from tiny_jepa.commands import DEFAULT
from tiny_jepa.data import look_at, open_source
from tiny_jepa.device import get_device, machine
from tiny_jepa.errors import UserError, of_others
from tiny_jepa.files import require_name, require_writable, write_atomically, write_text
from tiny_jepa.models import count_parameters
from tiny_jepa.options import flag, parse, settings, within
from tiny_jepa.progress import bar
from tiny_jepa.settings import Architecture, TrainingConfig
from tiny_jepa.training.run import Run, RunConfig, draw_run, read_config
from tiny_jepa.training.train import Trainer
from tiny_jepa.training.watch import look, plateau
from tiny_jepa.weights import ROOT_WEIGHTS, save_weights
from tiny_jepa.worlds import find_world, world_of

LOOK_EVERY = 50  # steps
SHOWN = "loss {loss:.4f}, one-step {one_step:.4f} px² (reckoned {reckoned:.3f}), std {std_x:.2f}/{std_y:.2f}"


Name = AfterValidator(lambda name, info: require_name(name, f"--{info.field_name} takes the name of a folder"))


@settings
class Options:
    budget: str | None = None  # trainable parameters: 500, 2k, 1M; 2k unless given; the presets are in budgets/
    world: str | None = None  # its name in worlds/, or package.module:NAME of your own
    data: str | None = None  # folder in the course's layout, or procedural[:seed=1,size=65,dtype=float32]
    name: Annotated[str, Name] | None = None  # name of the run's folder in --runs; BUDGET-seedN unless given
    runs: Path = Path("runs")  # where run folders go
    resume: Annotated[str, Name] | None = None  # go on with the interrupted run of this name, its settings as they were
    no_install: bool = False  # leave model_weights.pth alone
    threads: Annotated[int, within(1, 256)] = 1  # CPU threads; one is best below 100k parameters
    device: str | None = None  # cpu, cuda or mps; the best there is unless given
    training: TrainingConfig = field(default_factory=TrainingConfig)
    architecture: Architecture = field(default_factory=Architecture)


OF_A_PROCESS = {"resume", "runs", "world", "no_install", "threads", "device"}
"""Options that a resumed run takes; all else it has of its own."""
OF_NO_WEIGHTS = {"resume", "runs", "name", "no_install"}
"""Options that train the same weights, whatever they are."""


def read_options(argv: list[str]) -> tuple[Options, Budget, str]:
    """The command line; its budget, all settings in place; and the command that trains the same weights."""
    says = "Trains a world model to a parameter budget, without labels."
    first = parse(Options, argv, "train.py", says)
    if first.resume:
        config, path = read_config(first.runs / first.resume), str(first.runs / first.resume / "config.json")
        world = world_of(config.world, first.world, path)
        budget = Budget(config.budget, config.budget_limit, config.architecture, config.training, world)
        with of_others(path):
            budget.solved(), open_source(config.data, world)
        own = Options(budget.name, data=config.data, training=budget.training, architecture=budget.architecture)
    else:
        budget = find_budget(first.budget or "2k", find_world(first.world or DEFAULT))
        own = Options(training=budget.training, architecture=budget.architecture)
    options = parse(Options, argv, "train.py", says, own)
    said, had = asdict(options), asdict(own)
    for flat in (said, had):
        flat |= flat.pop("training") | flat.pop("architecture")
    given = {name: value for name, value in said.items() if value != had[name]}
    if first.resume:
        if extra := given.keys() - OF_A_PROCESS:
            raise UserError(f"--resume goes on with the run's own settings; leave out {flag(min(extra))}")
        return options, budget, config.command
    words = ["python", "train.py"]
    for name, value in given.items():
        if name not in OF_NO_WEIGHTS:
            words += [flag(name), ",".join(map(str, value)) if isinstance(value, tuple) else str(value)]
    budget = replace(budget, architecture=options.architecture, training=options.training).solved()
    return options, budget, shlex.join(words)


def main(argv: list[str]) -> int:
    options, budget, command = read_options(argv)
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # a polite kill is a Ctrl-C
    torch.set_num_threads(options.threads)
    if not options.no_install:
        with of_others("the trained weights are installed, unless --no-install leaves them in --runs"):
            require_writable(ROOT_WEIGHTS)
    source = open_source(options.data, budget.world)
    torch.manual_seed(budget.training.seed)
    model, dataset = budget.build(), source.require("train")
    look_at(dataset)
    trainer = Trainer(model, dataset, budget.training, get_device(options.device))
    config = RunConfig(
        budget=budget.name,
        budget_limit=budget.limit,
        parameters=count_parameters(model),
        world=budget.world.frame.world,
        architecture=budget.architecture,
        training=budget.training,
        command=command,
        data=source.spec,
        data_kind="folder" if source.root else "procedural",
        sets_version=source.sets_version,
        machine=machine(trainer.device),
    )
    name = options.name or f"{budget.name}-seed{budget.training.seed}"
    with Run(options.runs / options.resume) if options.resume else Run.new(options.runs, name) as run:
        print(f"budget {budget.name}: {config.parameters:,} of {budget.limit:,} trainable parameters")
        print(f"data: {source.describe()}, {len(dataset):,} trajectories of {dataset.length} frames\nrun: {run.folder}")
        if options.resume:
            run.restore(trainer)
        else:
            write_text(run.folder / "config.json", json.dumps(asdict(config), indent=1) + "\n")
            run.save(trainer)  # a folder that cannot be written to is found now, not hours later
        try:
            figures = train(trainer, run)
        except KeyboardInterrupt:
            signal.signal(signal.SIGTERM, signal.SIG_IGN)  # who says it twice must not stop the saving
            if trainer.whole:
                run.save(trainer)
            print(f"\nstopped at step {run.saved_step}; go on with: python train.py --resume {run.folder.name}")
            return 130
        metadata = asdict(config) | {"run": run.folder.name, "steps": trainer.step, "sets_read": ["train"]}
        if (verdict := trainer.verdict) and figures:
            last = {name: figures[name] for name in ("one_step", "still", "reckoned")}
            metadata["verdict"] = verdict._asdict() | last
        save_weights(run.weights, model, metadata | {"minutes": round(run.seconds / 60, 2)})
        print(f"trained in {run.seconds / 60:.1f} minutes: {run.weights}")
        if not options.no_install:
            if ROOT_WEIGHTS.is_file():
                write_atomically(run.folder / "previous_model_weights.pth", partial(shutil.copyfile, ROOT_WEIGHTS))
            write_atomically(ROOT_WEIGHTS, partial(shutil.copyfile, run.weights))
            print(f"installed as {ROOT_WEIGHTS}; score it with: python main.py")
        run.checkpoint.unlink(missing_ok=True)
        if verdict:
            print(verdict.line())
        if figures and (says := plateau(figures)):
            print(f"warning: {says}")
        try:
            print(f"its course: {draw_run(run.folder)}")
        except Exception as error:  # the work is done, whatever a library of pictures raises
            print(f"no picture of the run: {' '.join(str(error).split())}")
    return 0


def train(trainer: Trainer, run: Run) -> dict[str, float]:
    """Runs to the end, with progress bar, log and checkpoints -> the last figures."""
    figures, first = dict[str, float](), trainer.at(trainer.step)[0].name
    with bar(total=trainer.total_steps, initial=trainer.step, unit="step", desc=first, mininterval=0.5) as shown:
        for loss, seen in trainer.run():
            shown.update()
            if trainer.step % LOOK_EVERY == 0 or trainer.step == trainer.total_steps:
                phase, lr = trainer.at(trainer.step - 1)[0].name, trainer.optimizer.param_groups[0]["lr"]
                figures = {"lr": lr, "loss": float(loss), **look(trainer.model, seen)}
                run.log(trainer.step, phase, **figures)
                shown.set_description_str(phase, refresh=False)
                shown.set_postfix_str(SHOWN.format(**figures), refresh=False)
            run.save(trainer, now=False)
    return figures
