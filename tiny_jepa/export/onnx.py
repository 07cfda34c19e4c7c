"""A model as ONNX graphs: the encoder, one step, and the whole unroll; any batch, length and frame size.

torch's exporter follows the model itself (`torch.export`), and the unroll becomes a loop of the graph (Scan). The
graphs are then run by onnxruntime and compared with torch.
"""

import copy
import logging
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch
from einops import rearrange, repeat
from torch import Tensor, nn
from torch.nn.functional import pad

from tiny_jepa.data import open_source
from tiny_jepa.errors import UserError
from tiny_jepa.files import write_atomically
from tiny_jepa.models.jepa import JEPA
from tiny_jepa.worlds.two_rooms import TWO_ROOMS

GRAPHS = {
    "encoder": (["frames"], ["code", "context"]),
    "step": (["code", "action", "context"], ["next_code"]),
    "unroll": (["frames", "actions"], ["codes"]),
}
"""Inputs and outputs: frames [B, C, S, S], action [B, 2] and actions [B, T-1, 2] px, the others as `JEPA` has them:
the context is the map, [B, S, S] uint8."""
OPEN = {"frames": {0: "B", 2: "S", 3: "S"}, "context": {0: "B", 1: "S", 2: "S"}, "actions": {0: "B", 1: "steps"}}
"""Axes whose length is free, by name; of inputs that are not named, the first."""
TOLERANCE = 1e-5  # code units
ROUNDING = 1e-6  # code units: of float32 encoders
AROUND = ((0.0, 0.0), (1.0, 0.0), (-1.0, 0.0), (0.0, 1.0), (0.0, -1.0))
ROLLOUTS = 1_000
SIZES = (64, 65)  # px


class Graph(nn.Module):
    """One of `GRAPHS` as a module that torch can follow; the unroll is made of `step`."""

    def __init__(self, model: JEPA, name: str, step: Callable[..., Tensor]) -> None:
        super().__init__()
        self.model, self.name, self.step = model, name, step

    def forward(self, *inputs: Tensor) -> Any:
        if self.name == "step":
            return self.step(*inputs)
        code, context = self.model.encode_agent(inputs[0]), self.model.encode_context(inputs[0])
        return (code, context) if self.name == "encoder" else self.unroll(code, inputs[1], context)

    def unroll(self, code: Tensor, actions: Tensor, context: Tensor) -> Tensor:
        """`JEPA.unroll`, as a loop that stays a loop however many actions there are. It gives the code before each
        action, and one more action is none: a loop of no rounds would be refused."""
        from torch._higher_order_ops.scan import scan

        def step(before: Tensor, action: Tensor) -> tuple[Tensor, Tensor]:
            return self.step(before, action, context), before.clone()

        codes = scan(step, code, rearrange(pad(actions, (0, 0, 0, 1)), "b t d -> t b d"))[1]
        return rearrange(codes, "t b d -> b t d")


def graph_path(path: Path, name: str) -> Path:
    """The file of a graph: `model.onnx` holds the unroll, `model-encoder.onnx` and `model-step.onnx` the others."""
    return path if name == "unroll" else path.with_stem(f"{path.stem}-{name}")


def write_onnx(model: JEPA, path: Path) -> list[Path]:
    """Writes all graphs; the unit of codes (px) and the model's budget go into their metadata.

    Raises:
        UserError: the packages that this needs are not installed.
    """
    try:
        import onnx_ir
        import onnxruntime  # noqa: F401 - of `agreement`; a missing one is said before any work
        import onnxscript  # noqa: F401 - of torch's exporter
    except ImportError as error:
        raise UserError(f"ONNX needs {error.name}; install it with: pip install 'tiny_jepa[export]'") from None
    logging.getLogger("torch.onnx").setLevel(logging.ERROR)  # it warns of operators that are not used
    lengths = {name: torch.export.Dim(name) for name in ("B", "S", "steps")}
    sample = {"frames": torch.rand(3, model.frame.channels, 64, 64), "actions": torch.rand(3, 5, 2)}
    sample |= {"code": torch.rand(3, 2), "action": torch.rand(3, 2)}
    sample |= {"context": torch.zeros(3, 64, 64, dtype=torch.uint8)}
    written, step = [], model.step
    for name, (inputs, outputs) in GRAPHS.items():
        free = tuple({axis: lengths[of] for axis, of in OPEN.get(each, {0: "B"}).items()} for each in inputs)
        graph, samples = Graph(model, name, step), tuple(sample[each] for each in inputs)
        with torch.no_grad(), warnings.catch_warnings():
            warnings.simplefilter("ignore")
            traced = torch.export.export(graph, samples, dynamic_shapes=(free,), strict=True)
            names: Any = {"input_names": inputs, "output_names": outputs, "dynamic_shapes": (free,)}
            program = torch.onnx.export(traced, verbose=False, **names)
        assert program is not None
        if name == "step":
            step = traced.module(check_guards=False)  # torch refuses constants in a loop
        for node in onnx_ir.traversal.RecursiveGraphIterator(program.model.graph):
            node.metadata_props.clear()  # where in torch each came from: nine tenths of the file
        program.model.metadata_props.update(unit=f"{model.frame.unit:g} px", budget=str(model.metadata.get("budget")))
        write_atomically(graph_path(path, name), program.save)
        written.append(graph_path(path, name))
    return written


def agreement(model: JEPA, path: Path, size: int, count: int = ROLLOUTS) -> str:
    """Compares onnxruntime with torch on `count` simulated trajectories of `size` px -> a line on how they agree.

    From the same inputs, codes and steps agree, and maps are equal. A rollout that passes a corner, or ends at a
    pixel's centre, within float32's rounding may go on either way. Which do is looked up: torch's own, in double
    precision, change when the start does by `ROUNDING`.

    Raises:
        UserError: they disagree by more than `TOLERANCE`, or a number is none.
    """
    import onnxruntime

    def run(name: str, *values: Tensor) -> list[Tensor]:
        session = onnxruntime.InferenceSession(graph_path(path, name))
        fed = dict(zip(GRAPHS[name][0], (value.numpy() for value in values), strict=True))
        return [torch.from_numpy(output) for output in session.run(None, fed)]

    def largest(ours: Tensor, theirs: Tensor) -> float:
        return float((ours - theirs).abs().max())

    dataset = open_source(f"procedural:seed=1,size={size},dtype=float32", TWO_ROOMS).require("probe_normal/val")
    chosen = np.arange(count)
    frames, actions = dataset.frames(chosen, 0, 1)[:, 0], dataset.actions(chosen)
    code, context = model.encode_agent(frames), model.encode_context(frames)
    codes = model.unroll(code, actions, context)
    their_code, their_context = run("encoder", frames)
    encoded = largest(their_code, code)
    inputs = [rearrange(each, "b t d -> (b t) d") for each in (codes[:, :-1], actions)]
    inputs.append(repeat(context, "b h w -> (b t) h w", t=actions.shape[1]))
    stepped = largest(run("step", *inputs)[0], model.step(*inputs))
    starts = code.double() + rearrange(ROUNDING * torch.tensor(AROUND), "k d -> k 1 d")
    exact = copy.deepcopy(model).double().unroll(starts, actions.double(), context)  # [5, B, T, 2]
    same = (run("unroll", frames, actions)[0] - codes).abs().amax((1, 2)) <= TOLERANCE
    unsure = (exact - codes).abs().amax((0, 2, 3)) > TOLERANCE / 2
    agree = encoded <= TOLERANCE and stepped <= TOLERANCE and bool((same | unsure).all())  # as no nan does
    if not (agree and torch.equal(their_context, context)):
        raise UserError(f"{path} disagrees with torch at {size} px (code {encoded:.1g}, step {stepped:.1g}); report it")
    apart = f"but for {int((~same).sum())} of {count:,} that rounding decides"
    return (
        f"{size} px, onnxruntime beside torch, in code units: codes within {encoded:.0e}, maps equal, "
        f"steps within {stepped:.0e}, rollouts within {TOLERANCE:.0e} {apart}"
    )
