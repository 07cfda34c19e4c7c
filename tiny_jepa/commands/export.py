"""`python -m tiny_jepa export`: a trained model as ONNX graphs or as a safetensors file."""

from pathlib import Path

from tiny_jepa.commands import choose, the_course
from tiny_jepa.errors import UserError
from tiny_jepa.export.onnx import agreement, write_onnx
from tiny_jepa.export.safetensors import Kind, save
from tiny_jepa.models.jepa import JEPA
from tiny_jepa.options import parse, settings


@settings
class Options:
    """What is exported, and as what."""

    weights: Path | None = None  # weights file; model_weights.pth unless given
    budget: str | None = None  # the trained weights of this budget instead, such as 2k
    world: str | None = None  # of the budget; a weights file says its own
    out: Path = Path("model.onnx")  # what to write; its ending, .onnx or .safetensors, says as what
    numbers: Kind = "float32"  # of a safetensors file


def main(argv: list[str]) -> None:
    args = parse(Options, argv, "python -m tiny_jepa export", __doc__ or "")
    subject, world = choose(args.weights, args.budget, args.world)
    assert isinstance(subject.model, JEPA)
    if args.out.suffix not in (".onnx", ".safetensors"):
        raise UserError(f"--out must end in .onnx or .safetensors, not '{args.out.suffix}'")
    if to_onnx := args.out.suffix == ".onnx":
        the_course(world, "the comparison with onnxruntime")
        if args.numbers != "float32":
            raise UserError("ONNX graphs are written in float32; leave --numbers out, or name a .safetensors file")
    print(subject.describe())
    try:
        written = write_onnx(subject.model, args.out) if to_onnx else save(subject.model, args.out, args.numbers)
    except ImportError as error:
        raise UserError(f"this needs {error.name}; install it with: pip install 'tiny_jepa[export]'") from None
    print("wrote", *(f"{path} ({path.stat().st_size:,} bytes)" for path in written))
    for size in (64, 65) if to_onnx else ():
        print(agreement(subject.model, args.out, size))
