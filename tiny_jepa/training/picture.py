"""The picture of a run: how its log.csv went."""

import csv
from pathlib import Path

from tiny_jepa.plotting import MISSED, OURS, THEIRS, TRUE, pyplot, save

ERRORS = {
    "still": ("no motion", MISSED),
    "reckoned": ("dead reckoning (walls ignored)", TRUE),
    "one_step": ("the model", OURS),
}


def draw_run(folder: Path) -> Path:
    """log.csv -> run.png beside it; a `UserError` where matplotlib is not installed."""
    plt = pyplot()
    with (folder / "log.csv").open(newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    steps = [int(row["step"]) for row in rows]
    phases = [row["phase"] for row in rows]
    starts = [step for step, phase, earlier in zip(steps[1:], phases[1:], phases, strict=False) if phase != earlier]

    def column(name: str) -> list[float]:
        return [float(row[name]) for row in rows]

    figure, (errors, losses, spreads) = plt.subplots(1, 3, figsize=(13, 3.8), layout="constrained")
    for name, (label, colour) in ERRORS.items():
        errors.plot(steps, column(name), color=colour, label=label, lw=1)
    errors.set(title="one-step error in code space, px²", yscale="log")
    losses.plot(steps, column("loss"), color=OURS, lw=1, label="loss")
    losses.plot(steps, column("lr"), color=THEIRS, label="learning rate")
    losses.set(title="loss and learning rate", yscale="log")
    for name in (name for name in rows[0] if name.startswith("std")):
        spreads.plot(steps, column(name), lw=1, label=name)
    spreads.set(title="standard deviation of the codes, units of 16 px", ylim=(0, None))
    for axis in (errors, losses, spreads):
        axis.set(xlabel="step")
        for start in starts:
            axis.axvline(start, color="black", lw=0.8, ls=":")
        axis.legend(fontsize=8)
    seconds = column("seconds")[-1]
    figure.suptitle(f"{folder.name}: {steps[-1]:,} steps in {seconds / 60:.1f} minutes; dotted: phases begin")
    return save(figure, folder / "run.png")
