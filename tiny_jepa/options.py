"""Command lines and settings files: a field of a frozen dataclass is an option, its same-line comment the help, its
type the check."""

import contextlib
import importlib
import io
import re
from collections.abc import Mapping, Sequence
from dataclasses import fields
from typing import Annotated, Any, NamedTuple, TypeVar, get_args, get_type_hints

import tyro

from tiny_jepa.errors import UserError


class Within(NamedTuple):
    """Limits of a number, or of each number of a tuple; a whole number is `least` plus a multiple of `step`."""

    least: float
    most: float
    step: int = 1

    def holds(self, value: Any) -> bool:
        if not isinstance(value, int | float):
            return False
        on_step = isinstance(value, float) or (value - self.least) % self.step == 0
        return self.least <= value <= self.most and on_step  # a NaN is nowhere

    def __str__(self) -> str:
        return f"{'an odd number ' if self.step == 2 else ''}from {self.least:g} to {self.most:g}"


class Checked:
    """Settings that are checked wherever they are made."""

    def __post_init__(self) -> None:
        """
        Raises:
            UserError: a number outside its limits.
        """
        for name, hint in get_type_hints(type(self), include_extras=True).items():
            value = getattr(self, name)
            limits = [
                limit for part in (hint, *get_args(hint)) for limit in get_args(part) if isinstance(limit, Within)
            ]
            for limit in limits if value is not None else []:
                if value == () or not all(map(limit.holds, value if isinstance(value, tuple) else (value,))):
                    raise UserError(f"{flag(name)} must be {limit}, not {shown(value)}")


def flag(name: str) -> str:
    """The option of a field."""
    return "--" + name.replace("_", "-")


def shown(value: Any) -> str:
    """A value as a command line has it."""
    text = ",".join(map(str, value)) if isinstance(value, tuple | list) else str(value)
    return {"true": "True", "false": "False"}.get(text, text)


def read_numbers(words: Sequence[str]) -> tuple[int, ...]:
    """ "24,24" -> (24, 24); "30,34-36" -> (30, 34, 35, 36)"""
    numbers: list[int] = []
    for part in words[0].strip("()").removesuffix(",").split(","):
        found = re.fullmatch(r"\s*(\d{1,9})(?:-(\d{1,9}))?\s*", part)
        low, high = (int(found[1]), int(found[2] or found[1])) if found else (0, -1)
        if not low <= high < low + 10_000:
            raise ValueError(f"expected whole numbers such as 24,24 or 30,34-36, not '{words[0]}'")
        numbers += range(low, high + 1)
    return tuple(numbers)


Numbers = Annotated[
    tuple[int, ...],
    tyro.constructors.PrimitiveConstructorSpec(
        nargs=1,
        metavar="N,N",
        instance_from_str=read_numbers,
        is_instance=lambda value: isinstance(value, tuple),
        str_from_instance=lambda value: [shown(value)],
    ),
]
Seed = Annotated[int, Within(0, 2**63 - 1)]
Count = Annotated[int, Within(1, 10**8)]

Options = TypeVar("Options")


def parse(options: type[Options], argv: Sequence[str], prog: str, says: str, default: Options | None = None) -> Options:
    """The options of a command; those that `argv` leaves out are `default`'s. `--help` prints them, and ends.

    Raises:
        UserError: an unknown option, which the nearest one is named for, or a value of another kind or out of bounds.
    """
    said = io.StringIO()
    config = (tyro.conf.OmitArgPrefixes, tyro.conf.FlagCreatePairsOff)
    try:
        with contextlib.redirect_stderr(said):
            return tyro.cli(options, prog=prog, description=says, args=argv, default=default, config=config)  # type: ignore[return-value]
    except SystemExit as end:
        if not end.code:
            raise
        raise UserError(f"{in_one_sentence(said.getvalue())}; see {prog} --help") from None


def imported(path: str, what: str) -> Any:
    """What `package.module:NAME` names; a `UserError` that begins with `what` where there is no such thing."""
    module, _, name = path.partition(":")
    try:
        return getattr(importlib.import_module(module), name)
    except (ImportError, AttributeError, ValueError) as error:
        raise UserError(f"{what} {path!r}: {error}; write it as package.module:NAME") from None


def choose_verb(argv: Sequence[str], prog: str, verbs: Mapping[str, str]) -> str:
    """The verb that a command line begins with; `verbs` say what each does, and are printed where there is none.

    Raises:
        UserError: an unknown verb.
    """
    if not argv or argv[0] in ("-h", "--help"):
        print(f"usage: {prog} VERB ...\n", *(f"  {verb:<10} {says}" for verb, says in verbs.items()), sep="\n")
        raise SystemExit(0)
    if argv[0] not in verbs:
        raise UserError(f"unknown verb '{argv[0]}'; there are {', '.join(verbs)}")
    return argv[0]


def in_one_sentence(box: str) -> str:
    """What a framed message says, without its frame and what it says of help."""
    lines = [line.strip("│╭╮╰╯─ ") for line in box.splitlines()]
    text = " ".join(lines[1:])
    message, _, rest = text.partition("  ")
    near = re.search(r"Perhaps you meant:\s+(--[\w-]+)", rest)
    return message.strip(" .") + (f"; did you mean {near[1]}?" if near else "")


def read_settings(settings: type[Options], values: Mapping[str, Any], where: str, default: Options) -> Options:
    """Settings with the values that a file has for some of their fields, checked as those of a command line are.

    Raises:
        UserError: an unknown key or a bad value, `where` being the file that has it.
    """
    if unknown := sorted(set(values) - {field.name for field in fields(settings)}):  # type: ignore[arg-type]
        raise UserError(f"{where} has unknown keys: {', '.join(unknown)}")
    words = [f"{flag(name)}={shown(value)}" for name, value in values.items()]
    try:
        return parse(settings, words, where, "", default)
    except UserError as error:
        raise UserError(f"{where}: {error}".removesuffix(f"; see {where} --help")) from None
