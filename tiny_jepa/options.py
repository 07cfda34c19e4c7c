"""Settings: a field of a class is a key of a file and an option of a command, its type the check, its same-line comment
the help. pydantic checks them wherever they come from; tyro reads command lines."""

import contextlib
import dataclasses
import importlib
import io
import os
import re
import shutil
import sys
from collections.abc import Mapping, Sequence
from typing import Annotated, Any, TypeVar

import tyro
from pydantic import BeforeValidator, ConfigDict, Field, ValidationError
from pydantic.dataclasses import dataclass
from typing_extensions import dataclass_transform

from tiny_jepa.errors import UserError

Class = TypeVar("Class")
NARROW = 40  # columns
CONFIG = ConfigDict(extra="forbid", allow_inf_nan=False, arbitrary_types_allowed=True)


@dataclass_transform(frozen_default=True, field_specifiers=(dataclasses.field,))
def settings(fields: type[Class]) -> type[Class]:
    """A frozen dataclass whose values are checked by their types wherever one is made, or a `UserError` says which."""
    made = dataclass(frozen=True, config=CONFIG)(fields)
    checked, names = made.__init__, [field.name for field in dataclasses.fields(made)]

    def __init__(self: Any, /, *args: Any, **values: Any) -> None:
        try:
            given = dict(zip(names, args, strict=False))
            if len(args) > len(names) or given.keys() & values.keys():
                raise UserError(f"{fields.__name__} takes each of these once: {', '.join(names)}")
            checked(self, **given, **values)
        except ValidationError as error:
            raise UserError(sentence(error)) from None

    made.__init__ = __init__  # type: ignore[assignment, method-assign]
    return made  # type: ignore[return-value]


def sentence(error: ValidationError) -> str:
    """The first thing that pydantic has to say, as one sentence."""
    first = max(error.errors(), key=lambda each: each["type"] == "unexpected_keyword_argument")  # a slip of the pen
    names = [part for part in first["loc"] if isinstance(part, str)]
    if first["type"] in ("unexpected_keyword_argument", "missing_argument", "missing"):
        return f"{'unknown' if first['type'].startswith('unexpected') else 'missing'} key {'.'.join(names)!r}"
    says = re.sub("^(Value error,|Input) | or an instance of .*", "", first["msg"]).replace("should", "must")
    given = str(first["input"])[:80] or "nothing"
    return f"{flag(names[0]) if len(names) == 1 else '.'.join(names)} {says}, not {given}"


def flag(name: str) -> str:
    return "--" + name.replace("_", "-")


def within(least: float, most: float) -> Any:
    return Field(ge=least, le=most)


def read_numbers(text: Any) -> Any:
    """ "24,24" -> (24, 24); "30,34-36" -> (30, 34, 35, 36); what is no text stays."""
    if not isinstance(text, str):
        return text
    numbers: list[int] = []
    for part in text.split(","):
        found = re.fullmatch(r"\s*(\d{1,9})(?:-(\d{1,9}))?\s*", part)
        low, high = (int(found[1]), int(found[2] or found[1])) if found else (0, -1)
        if not low <= high < low + 10_000:
            raise ValueError("should be whole numbers such as 24,24 or 30,34-36")
        numbers += range(low, high + 1)
    return tuple(numbers)


Numbers = Annotated[
    tuple[Annotated[int, within(1, 10**7)], ...],
    BeforeValidator(read_numbers),
    tyro.constructors.PrimitiveConstructorSpec(
        nargs=1,
        metavar="N,N",
        instance_from_str=lambda words: words[0],
        is_instance=lambda value: isinstance(value, tuple),
        str_from_instance=lambda value: [",".join(map(str, value))],
    ),
]
Seed = Annotated[int, within(0, 2**63 - 1)]
Count = Annotated[int, within(1, 10**8)]


def parse(options: type[Class], argv: Sequence[str], prog: str, says: str, default: Class | None = None) -> Class:
    """The options of a command; those that `argv` leaves out are `default`'s. `--help` prints them, and ends. For an
    unknown option the nearest one is named."""
    if "" in argv:
        raise UserError(f"{argv[argv.index('') - 1]} is given an empty text; see {prog} --help")
    said = io.StringIO()
    if shutil.get_terminal_size().columns < NARROW:
        os.environ["COLUMNS"] = str(NARROW)  # in fewer, help is laid out for ever
    config = (tyro.conf.OmitArgPrefixes, tyro.conf.FlagCreatePairsOff)
    try:
        with contextlib.redirect_stderr(said):
            return tyro.cli(options, prog=prog, description=says, args=argv, default=default, config=config)  # type: ignore[return-value]
    except SystemExit as end:
        if not end.code:
            raise
        lines = said.getvalue().splitlines()[1:]  # of a frame, which is of - where a console knows no other
        text = " ".join(line.strip("│╭╮╰╯─ ") if line.strip(" -") else "" for line in lines)
        text = re.sub(r"Error parsing (--[\w-]+):.*?(['\"].*['\"])\]?", r"\1 cannot be \2", text)
        message, _, rest = text.partition("  ")
        near = re.search(r"Perhaps you meant:\s+(--[\w-]+)", rest)
        hint = f"; did you mean {near[1]}?" if near else ""
        raise UserError(f"{message.strip(' .')}{hint}; see {prog} --help") from None


def imported(path: str, what: str) -> Any:
    """What `package.module:NAME` names; a `UserError` that begins with `what` where there is no such thing."""
    if (here := os.getcwd()) not in sys.path:
        sys.path.append(here)  # a module of one's own is found from any folder
    module, _, name = path.partition(":")
    try:
        return getattr(importlib.import_module(module), name)
    except (Exception, SystemExit) as error:  # a module of somebody's own raises whatever it likes
        why = f" ({type(error).__name__}: {error})" if module.strip(".") and name else ""
        raise UserError(f"{what} {path!r}{why}; write it as package.module:NAME") from None


def choose_verb(argv: Sequence[str], prog: str, verbs: Mapping[str, str]) -> str:
    """The verb that a command line begins with; `verbs` say what each does, and are printed where there is none."""
    if not argv or argv[0] in ("-h", "--help"):
        print(f"usage: {prog} VERB ...\n", *(f"  {verb:<10} {says}" for verb, says in verbs.items()), sep="\n")
        raise SystemExit(0)
    if argv[0] not in verbs:
        raise UserError(f"unknown verb '{argv[0]}'; there are {', '.join(verbs)}")
    return argv[0]


def named(words: Sequence[str]) -> set[str]:
    """The options that a command line of ours names."""
    return {re.split("[= ]", word.replace("_", "-"))[0] for word in words}


def read(settings: type[Class], values: Mapping[str, Any], where: str) -> Class:
    """Settings from the values of a file, `where`; a `UserError` for an unknown key or a bad value."""
    if not isinstance(values, Mapping):
        raise UserError(f"{where} must be values by name, not {str(values)[:80]}")
    try:
        return settings(**{str(name): value for name, value in values.items()})
    except UserError as error:
        says = re.sub(r"^--[\w-]+", lambda found: found[0][2:].replace("-", "_"), str(error))  # a key, not an option
        raise UserError(f"{where}: {says}") from None
