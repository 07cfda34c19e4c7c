"""What `train.py` runs: from a budget to trained weights."""

import signal
import time
from dataclasses import field, replace
from functools import partial
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import torch
from torch import Tensor

from tiny_jepa import __version__
from tiny_jepa.budgets import Budget, find_budget
from tiny_jepa.commands import DEFAULT
from tiny_jepa.data import Source, TrajectorySet, look_at, open_source
from tiny_jepa.device import get_device, machine
from tiny_jepa.errors import UserError
from tiny_jepa.files import require_name, require_writable, write_atomically
from tiny_jepa.models import Architecture
from tiny_jepa.models.size import parameter_count
from tiny_jepa.options import parse, read, settings, within
from tiny_jepa.progress import bar
from tiny_jepa.settings import TrainingConfig
from tiny_jepa.training.picture import draw_run
from tiny_jepa.training.run import Run, command_line, essential, read_config
from tiny_jepa.training.trainer import Trainer
from tiny_jepa.training.watch import Seen, Watch, plateau
from tiny_jepa.weights import ROOT_WEIGHTS, save_weights
from tiny_jepa.worlds import find_world, world_of

LOOK_EVERY = 50  # steps


@settings
class Options:
    """What to train, from what, and where it goes."""

    budget: str | None = None  # trainable parameters: 500, 2k, 1M; 2k unless given; the presets are in budgets/
    world: str | None = None  # its name in worlds/, or package.module:NAME of your own
    data: str | None = None  # folder in the course's layout, or procedural[:seed=1,size=65,dtype=float32]
    name: str | None = None  # name of the run's folder in --runs; BUDGET-seedN unless given
    runs: Path = Path("runs")  # where run folders go
    resume: str | None = None  # go on with the interrupted run of this name, its settings as they were
    no_install: bool = False  # leave model_weights.pth alone
    threads: Annotated[int, within(1, 256)] = 1  # CPU threads; one is best below 100k parameters
    workers: Annotated[int, within(0, 256)] = 0  # processes that read data; the weights are the same for any number
    device: str | None = None  # cpu, cuda or mps; the best there is unless given
    training: TrainingConfig = field(default_factory=TrainingConfig)
    architecture: Architecture = field(default_factory=Architecture)


OF_A_RUN = ("budget", "data", "name", "training", "architecture")
"""Options that an interrupted run has of its own."""


def read_options(argv: list[str]) -> tuple[Options, Budget]:
    """The command line, and its budget with all keys in place; its widths are solved for unless they are given."""
    says = "Trains a world model to a parameter budget, without labels."
    first = parse(Options, argv, "train.py", says)
    preset = find_budget(first.budget or "2k", find_world(first.world or DEFAULT))
    options = parse(
        Options, argv, "train.py", says, Options(training=preset.training, architecture=preset.architecture)
    )
    for option, name in (("--name", options.name), ("--resume", options.resume)):
        if name is not None:
            require_name(name, f"{option} takes the name of a folder in --runs")
    extra = [name for name in OF_A_RUN if getattr(first, name) != getattr(Options(), name)]
    if options.resume and extra:
        raise UserError(f"--resume goes on with the run's own settings; leave {extra[0]} out")
    return options, replace(preset, architecture=options.architecture, training=options.training).solved()


def main(argv: list[str]) -> int:
    options, budget = read_options(argv)
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # a polite kill is a Ctrl-C
    root = options.runs
    torch.set_num_threads(options.threads)
    if options.resume:
        config = read_config(root / options.resume)
        budget = budget_of(config, options.world)
        command, data = config["command"], config["data"]
    else:
        command, data = command_line(), options.data
    world = budget.world
    if not options.no_install:
        require_writable(ROOT_WEIGHTS)
    source = open_source(data, world)
    torch.manual_seed(budget.training.seed)
    model = budget.build()
    dataset = source.require("train")
    look_at(dataset)
    trainer = Trainer(model, dataset, budget.training, get_device(options.device), world, workers=options.workers)
    name = options.name or f"{budget.name}-seed{budget.training.seed}"
    with Run(root / options.resume) if options.resume else Run.new(root, name) as run:
        metadata = describe_weights(budget, run, trainer, command, source, dataset)
        print(f"budget {budget.name}: {metadata['parameters']:,} of {budget.limit:,} trainable parameters")
        print(f"data: {source.describe()}, {len(dataset):,} trajectories of {dataset.length} frames")
        print(f"run: {run.folder}")
        if options.resume:
            run.restore(trainer)
        else:
            run.describe(budget, command, source.spec, metadata["parameters"], trainer.device)
            run.save(trainer)  # a folder that cannot be written to is found now, not hours later
        run.open_board(trainer.step)
        try:
            figures = train(trainer, run)
        except KeyboardInterrupt:
            signal.signal(signal.SIGTERM, signal.SIG_IGN)  # who says it twice must not stop the saving
            if trainer.whole:
                run.save(trainer)
            print(f"\nstopped at step {run.saved_step}; go on with: python train.py --resume {run.folder.name}")
            return 130
        save_weights(run.weights, model, metadata | {"minutes": round(run.seconds / 60, 2)})
        print(f"trained in {run.seconds / 60:.1f} minutes: {run.weights}")
        if not options.no_install:
            install(run)
        run.checkpoint.unlink(missing_ok=True)
        if figures and (says := plateau(figures)):
            print(f"warning: {says}")
        try:
            print(f"its course: {draw_run(run.folder)}")
        except Exception as error:  # the work is done, whatever a library of pictures raises
            print(f"no picture of the run: {' '.join(str(error).split())}")
    return 0


def train(trainer: Trainer, run: Run) -> dict[str, float]:
    """Runs to the end, with progress bar, log, watch and checkpoints -> the last figures."""
    watch, figures = Watch(), dict[str, float]()
    started, frames = time.monotonic(), 0
    shown = bar(total=trainer.total_steps, initial=trainer.step, unit="step", desc=trainer.phase.name, mininterval=0.5)
    with shown:

        def after_step(losses: dict[str, Tensor], seen: Seen) -> None:
            nonlocal frames
            frames += seen.size
            shown.update()
            if trainer.step % LOOK_EVERY == 0 or trainer.step == trainer.total_steps:
                figures.update(watch.look(trainer.model, seen))
                rate = frames / (time.monotonic() - started)
                phase = trainer.at(trainer.step - 1)[0].name
                lr = trainer.optimizer.param_groups[0]["lr"]
                loss = float(losses["loss"])
                watch.check(figures | {"loss": loss}, trainer.step)
                run.log({"step": trainer.step, "phase": phase, "lr": lr, "loss": loss, **figures})
                shown.set_description_str(phase, refresh=False)
                std = "/".join(f"{value:.2f}" for name, value in figures.items() if name.startswith("std"))
                shown.set_postfix_str(
                    f"loss {loss:.4f}, one-step {figures['one_step']:.4f} px² (reckoned "
                    f"{figures['reckoned']:.3f}), std {std}, {rate:,.0f} frames/s",
                    refresh=False,
                )
            run.save_sometimes(trainer)

        trainer.run(after_step)
    return figures


def budget_of(config: dict[str, Any], asked: str | None = None) -> Budget:
    """The budget that a run's config.json holds; a `UserError` for bad settings or a world not to be trusted."""
    world = world_of(str(config.get("world")), asked, "config.json")
    architecture = read(Architecture, config["architecture"], "config.json")
    training = read(TrainingConfig, config["training"], "config.json")
    return Budget(config["budget"], config["budget_limit"], architecture, training, world)


def describe_weights(
    budget: Budget, run: Run, trainer: Trainer, command: str, source: Source, dataset: TrajectorySet
) -> dict[str, Any]:
    """The metadata of a weights file."""
    config = trainer.config
    auditioned = config.auditions * config.audition_steps if config.auditions > 1 else 0
    return {
        "budget": budget.name,
        "budget_limit": budget.limit,
        "parameters": parameter_count(budget.architecture, budget.world.frame),
        "command": essential(command),
        "seed": config.seed,
        "steps": trainer.total_steps,
        "audition_steps": auditioned,
        "trajectories_seen": config.encode_steps * config.encode_batch + config.cached,
        "transitions_drawn": (auditioned + config.predict_steps) * config.predict_batch,
        "data": source.spec,
        "data_kind": "folder" if source.root else "procedural",
        "sets_version": source.sets_version,
        "image_size": dataset.image_size,
        "dtype": str(dataset.frames(np.arange(1), 0, 1).dtype).removeprefix("torch."),
        "sets_read": ["train"],
        "run": run.folder.name,
        "version": __version__,
        "machine": machine(trainer.device),
        "metrics": {},
    }


def install(run: Run) -> None:
    """Puts a run's weights in place as model_weights.pth; the earlier file is kept beside the run."""
    pairs = [(ROOT_WEIGHTS, run.folder / "previous_model_weights.pth"), (run.weights, ROOT_WEIGHTS)]
    try:
        for source, target in pairs:
            if source.is_file():
                write_atomically(target, partial(Path.write_bytes, data=source.read_bytes()))
    except UserError as error:
        raise UserError(f"{error}; the trained weights are {run.weights}") from None
    print(f"installed as {ROOT_WEIGHTS}; score it with: python main.py")
