"""`python -m tiny_jepa export`: a trained model as ONNX graphs, compared with torch."""

from pathlib import Path

from tiny_jepa.commands import choose, the_course
from tiny_jepa.errors import UserError
from tiny_jepa.export.onnx import GRAPHS, agreement, write_onnx
from tiny_jepa.models.jepa import JEPA
from tiny_jepa.options import parse, settings


@settings
class Options:
    weights: Path | None = None  # weights file; model_weights.pth unless given
    budget: str | None = None  # the trained weights of this budget instead, such as 2k
    out: Path = Path("model.onnx")  # the file of the whole unroll; encoder and step are written beside it


def main(argv: list[str]) -> None:
    args = parse(Options, argv, "python -m tiny_jepa export", __doc__ or "")
    if args.out.suffix != ".onnx":
        raise UserError(f"--out takes a name that ends in .onnx, such as model.onnx, not '{args.out}'")
    writes = [args.out.with_stem(args.out.stem + name) for name in GRAPHS]
    subject, world = choose(args.weights, args.budget, writes=writes)
    assert isinstance(subject.model, JEPA)
    the_course(world, "the comparison with onnxruntime")
    print(subject.describe())
    written = write_onnx(subject.model, args.out)
    print("wrote", *(f"{path} ({path.stat().st_size:,} bytes)" for path in written))
    for size in (64, 65):
        print(agreement(subject.model, args.out, size))
