"""`python -m tiny_jepa export`: a trained model as ONNX graphs, compared with torch.

torch's exporter follows the model itself (`torch.export`), and the unroll becomes a loop of the graph (Scan).
"""

import logging
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch
from einops import rearrange
from torch import Tensor, nn
from torch.nn.functional import pad

from tiny_jepa.commands import choose, the_course
from tiny_jepa.data import open_source
from tiny_jepa.errors import UserError
from tiny_jepa.files import write_together
from tiny_jepa.models.jepa import JEPA
from tiny_jepa.options import parse, settings
from tiny_jepa.worlds.two_rooms import TWO_ROOMS

GRAPHS = {
    "-encoder": (["frames"], ["code", "context"]),
    "-step": (["code", "action", "context"], ["next_code"]),
    "": (["frames", "actions"], ["codes"]),
}
"""By the end of their file's stem, inputs and outputs: frames [B, C, S, S], action [B, 2] and actions [B, T-1, 2] px,
the others as `JEPA` has them: the context is the map, [B, S, S] uint8."""
FREE = {"frames": {0: "B", 2: "S", 3: "S"}, "context": {0: "B", 1: "S", 2: "S"}, "actions": {0: "B", 1: "steps"}}
"""Axes whose length is free, by name; of inputs that are not named, the first."""
TOLERANCE = 1e-5  # code units


@settings
class Options:
    weights: Path | None = None  # weights file; model_weights.pth unless given
    budget: str | None = None  # the trained weights of this budget instead, such as 2k
    out: Path = Path("model.onnx")  # the file of the whole unroll; encoder and step are written beside it


def main(argv: list[str]) -> None:
    args = parse(Options, argv, "python -m tiny_jepa export", (__doc__ or "").split("\n\n")[0])
    if args.out.suffix != ".onnx":
        raise UserError(f"--out takes a name that ends in .onnx, such as model.onnx, not '{args.out}'")
    writes = [args.out.with_stem(args.out.stem + name) for name in GRAPHS]
    subject, world = choose(args.weights, args.budget, writes=writes)
    assert isinstance(subject.model, JEPA)
    the_course(world, "the comparison with onnxruntime")
    print(subject.describe())
    write_onnx(subject.model, args.out)
    print("wrote", *(f"{path} ({path.stat().st_size:,} bytes)" for path in writes))
    for size in (64, 65):
        print(agreement(subject.model, args.out, size))


class Graph(nn.Module):
    """One of `GRAPHS` as a module that torch can follow; the unroll is made of `step`."""

    def __init__(self, model: JEPA, name: str, step: Callable[..., Tensor]) -> None:
        super().__init__()
        self.model, self.name, self.step = model, name, step

    def forward(self, *inputs: Tensor) -> Any:
        if self.name == "-step":
            return self.step(*inputs)
        code, context = self.model.encode_agent(inputs[0]), self.model.encode_context(inputs[0])
        if self.name == "-encoder":
            return code, context
        from torch._higher_order_ops.scan import scan

        def step(before: Tensor, action: Tensor) -> tuple[Tensor, Tensor]:
            return self.step(before, action, context), before.clone()

        # a loop however many actions there are; one more action is none: a loop of no rounds would be refused
        _, codes = scan(step, code, rearrange(pad(inputs[1], (0, 0, 0, 1)), "b t d -> t b d"))
        return rearrange(codes, "t b d -> b t d")


def write_onnx(model: JEPA, path: Path) -> None:
    """Writes all graphs, for any batch, length and frame size: `model.onnx` holds the unroll, `model-encoder.onnx` and
    `model-step.onnx` the others. The unit of codes (px) and the model's budget go into their metadata."""
    import onnx_ir
    import onnxruntime  # noqa: F401 - of `agreement`; a missing one is said before any work
    import onnxscript  # noqa: F401 - of torch's exporter

    logging.getLogger("torch.onnx").setLevel(logging.ERROR)  # it warns of operators that are not used
    lengths = {name: torch.export.Dim(name) for name in ("B", "S", "steps")}
    sample = {"frames": torch.rand(3, model.frame.channels, 64, 64), "actions": torch.rand(3, 5, 2)}
    sample |= {"code": torch.rand(3, 2), "action": torch.rand(3, 2), "context": torch.zeros(3, 64, 64).byte()}
    writes, step = list[tuple[Path, Any]](), model.step
    for name, (inputs, outputs) in GRAPHS.items():
        free = tuple({axis: lengths[of] for axis, of in FREE.get(each, {0: "B"}).items()} for each in inputs)
        graph, samples = Graph(model, name, step), tuple(sample[each] for each in inputs)
        with torch.no_grad(), warnings.catch_warnings():
            warnings.simplefilter("ignore")
            traced = torch.export.export(graph, samples, dynamic_shapes=(free,), strict=True)
            names: Any = {"input_names": inputs, "output_names": outputs, "dynamic_shapes": (free,)}
            program = torch.onnx.export(traced, verbose=False, **names)
        assert program is not None
        if name == "-step":
            step = traced.module(check_guards=False)  # torch refuses constants in a loop
        for node in onnx_ir.traversal.RecursiveGraphIterator(program.model.graph):
            node.metadata_props.clear()  # where in torch each came from: nine tenths of the file
        program.model.metadata_props.update(unit=f"{model.frame.unit:g} px", budget=str(model.metadata.get("budget")))
        writes.append((path.with_stem(path.stem + name), program.save))
    write_together(*writes)


@torch.no_grad()
def agreement(model: JEPA, path: Path, size: int, count: int = 1_000) -> str:
    """Compares onnxruntime with torch on `count` simulated trajectories of `size` px -> a line on how they agree, or a
    `UserError` where they do not. Each code of an unroll is compared with torch's step from the code before: a rollout
    that passes a corner within float32's rounding may go on either way."""
    import onnxruntime

    def run(name: str, *values: Tensor) -> list[Tensor]:
        session = onnxruntime.InferenceSession(path.with_stem(path.stem + name))
        fed = dict(zip(GRAPHS[name][0], (value.numpy() for value in values), strict=True))
        return [torch.from_numpy(output) for output in session.run(None, fed)]

    dataset = open_source(f"procedural:seed=1,size={size},dtype=float32", TWO_ROOMS).require("probe_normal/val")
    frames, actions = dataset.frames(np.arange(count), 0, 1)[:, 0], dataset.actions(np.arange(count))
    code, context = model.encode_agent(frames), model.encode_context(frames)
    (their_code, their_context), (codes,) = run("-encoder", frames), run("", frames, actions)
    (stepped,), expected = run("-step", code, actions[:, 0], context), model.step(code, actions[:, 0], context)
    onwards = model.step(codes[:, :-1], actions, context[:, None])
    pairs = ((their_code, code), (codes[:, 0], code), (stepped, expected), (codes[:, 1:], onwards))
    apart = [float((theirs - ours).abs().max()) for theirs, ours in pairs]
    if not (all(each <= TOLERANCE for each in apart) and torch.equal(their_context, context)):  # as with nan
        raise UserError(f"{path} disagrees with torch at {size} px, by {max(apart):.1g} code units; report it")
    return f"{size} px, onnxruntime beside torch: codes and steps within {max(apart):.0e} code units, maps equal"
