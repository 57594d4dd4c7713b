"""docs/datastream.md: the reference of the time-series library, made from its docstrings.

`python docs/reference.py > docs/datastream.md` writes it; a test compares. What no docstring says
stands in `docs/_datastream_guide.md`, in front. The trap: what is said here is said in the code, so
a sentence is mended there.
"""

from __future__ import annotations

import inspect
import re
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from labmon import datastream
from labmon.datastream import aggregate, exceptions, query, receipts
from labmon.datastream.backends.base import StreamSize
from labmon.datastream.granularity import Granularity
from labmon.datastream.operators import OPERATORS
from labmon.datastream.shape import TIME_KEYS
from labmon.datastream.stream import DOWNSAMPLERS, TIME_DOWNSAMPLERS
from labmon.datastream.values import VALUE_KEYS

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from labmon.datastream.operator_arguments import Argument

GUIDE = Path(__file__).with_name("_datastream_guide.md")
TABLE = re.compile(r"^<!-- table: (\w+) -->$", re.MULTILINE)
SECTION = re.compile(r"(Args|Returns|Raises|Warns|Yields|Attributes|Example):")
CLASSES = (
    *(datastream.Datastream, datastream.Streams, datastream.Datapoints, query.Arrays),
    *(aggregate.Aggregate, datastream.Graph),
    *(datastream.Followed, datastream.Revised, datastream.Removed),
    *(datastream.Granularity, datastream.Retention, datastream.Rejection),
    *(datastream.JournalTail, receipts.Received, StreamSize),
)


def page() -> str:
    """The whole page."""
    parts = [_guide(), "## Opening a store\n", *_callable("open", datastream.open)]
    for cls in CLASSES:
        parts += [f"## {cls.__name__}\n", *_class(cls)]
    return "\n".join([*parts, "## Exceptions and warnings\n", *_exceptions()]).rstrip() + "\n"


def _guide() -> str:
    tables = {
        "granularities": _granularities,
        "value_downsamplers": _value_downsamplers,
        "time_downsamplers": _time_downsamplers,
        "operators": _operators,
    }
    return TABLE.sub(lambda found: tables[found[1]](), GUIDE.read_text("utf-8"))


def _table(titles: Iterable[str], rows: Iterable[Iterable[str]]) -> str:
    titles = list(titles)
    lines = [titles, ["---"] * len(titles), *rows]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)


def _granularities() -> str:
    rows = [
        (f"`Granularity.{g.name}`", f"`{g.name.lower()}`", f"`{g.key}`", f"{g.duration_ns:,}")
        for g in Granularity.values
    ]
    return _table(("granularity", "as text", "key", "length of a bucket, ns"), rows)


def _value_downsamplers() -> str:
    rows = [
        (f"`{name}`", f"`{key}`", ", ".join(kind for kind in DOWNSAMPLERS if name in _of(kind)))
        for name, key in VALUE_KEYS.items()
    ]
    return _table(("value downsampler", "key", "of streams that are"), rows)


def _of(kind: str) -> tuple[str, ...]:
    return DOWNSAMPLERS[kind]


def _time_downsamplers() -> str:
    rows = [(f"`{name}`", f"`{TIME_KEYS[name]}`") for name in TIME_DOWNSAMPLERS]
    return _table(("time downsampler", "key"), rows)


def _operators() -> str:
    rows = []
    for name, operator in OPERATORS.items():
        least, most = operator.sources
        sources = str(least) if least == most else f"{least} or more"
        arguments = ", ".join(map(_argument, operator.arguments)) or "none"
        says = inspect.getdoc(operator) or ""
        rows.append((f"`{name}`", says.split("\n")[0], sources, arguments, operator.output))
    return _table(("derive_op", "gives", "sources", "derive_args", "values"), rows)


def _argument(argument: Argument) -> str:
    if argument.kind == "hold":
        return f'`{argument.name}`: `{{"hold_s": seconds}}`'
    default = "" if argument.default is None else f" ({argument.default:g} by default)"
    return f"`{argument.name}`{', needed' if argument.required else default}"


def _class(cls: type) -> Iterator[str]:
    yield _prose(cls.__doc__)
    for name in _members(cls):
        member = inspect.getattr_static(cls, name)
        if isinstance(member, property):
            yield f"### {name}\n\n{_prose(member.__doc__)}"
        else:
            yield from _callable(name, getattr(cls, name))


def _members(cls: type) -> list[str]:
    """Public names with a docstring, in the order of the code, bases first."""
    found: dict[str, None] = {}
    for base in reversed(cls.__mro__):
        if not base.__module__.startswith("labmon."):
            continue
        for name, member in vars(base).items():
            is_callable = isinstance(member, property | classmethod | staticmethod)
            if not name.startswith("_") and (is_callable or inspect.isfunction(member)):
                found.setdefault(name)
    return list(found)


def _callable(name: str, function: Callable[..., Any]) -> Iterator[str]:
    word = "await " if inspect.iscoroutinefunction(function) else ""
    target = function.__init__ if isinstance(function, type) else function
    found = inspect.signature(target, eval_str=False)
    parameters = [_plain(p) for p in found.parameters.values() if p.name not in ("self", "cls")]
    gives = found.return_annotation
    result = "" if gives in ("None", inspect.Signature.empty) else f" -> {gives}"
    yield f"### {name}\n\n```python\n{word}{name}{_signature(parameters)}{result}\n```\n"
    documented = (
        c.__doc__ for c in getattr(function, "__mro__", ()) if "Args:" in (c.__doc__ or "")
    )
    yield _prose(next(documented, inspect.getdoc(function)))


def _plain(parameter: inspect.Parameter) -> inspect.Parameter:
    """The parameter with its annotation as it stands in the code, not as quoted text."""
    hint = parameter.annotation
    shown = _Text(hint) if isinstance(hint, str) else hint
    default = parameter.default
    if inspect.isbuiltin(default):
        default = _Text(f"{default.__module__}.{default.__name__}")
    return parameter.replace(annotation=shown, default=default)


class _Text:
    """Prints as the text that it is made of."""

    def __init__(self, text: str) -> None:
        self.text = text

    def __repr__(self) -> str:
        return self.text


def _signature(parameters: list[inspect.Parameter]) -> str:
    """The parameters on one line, or one to a line where that is too long."""
    text = str(inspect.Signature(parameters))
    if len(text) <= 80:
        return text
    lines = []
    is_keyword_only = False
    for parameter in parameters:
        if parameter.kind is parameter.KEYWORD_ONLY and not is_keyword_only:
            is_keyword_only = True
            lines.append("*")
        lines.append(str(parameter))
    return "(\n" + "".join(f"    {line},\n" for line in lines) + ")"


def _prose(docstring: str | None) -> str:
    """A docstring as Markdown: sections as bold words, what they list as a list."""
    lines: list[str] = []
    section = ""
    for line in inspect.cleandoc(docstring or "").splitlines():
        if SECTION.fullmatch(line):
            section = line[:-1]
            lines.append(f"**{section}**\n")
        elif section in ("", "Returns", "Yields") or not line.strip():
            lines.append(line.removeprefix("    ") if section else line)
        elif lines[-1].startswith("- ") and lines[-1].endswith(","):
            lines[-1] = _entry(f"{lines[-1][2:]} {line[4:]}")  # a long list of names
        else:
            lines.append(_entry(line[4:]))
    return "\n".join(lines).rstrip() + "\n"


def _entry(line: str) -> str:
    if line.startswith(" "):
        return "  " + line.strip()
    names, colon, rest = line.partition(": ")
    if not colon or not re.fullmatch(r"[\w, *]+", names):
        return f"- {line}"
    return f"- {', '.join(f'`{name}`' for name in names.split(', '))}: {rest}"


def _exceptions() -> Iterator[str]:
    tree = inspect.cleandoc(exceptions.__doc__ or "")
    yield "They stand in `labmon.datastream.exceptions`.\n"
    yield "```text"
    yield "\n".join(line[4:] for line in tree.splitlines() if line.startswith("    "))
    yield "```\n"
    for name, cls in vars(exceptions).items():
        if inspect.isclass(cls) and cls.__module__ == exceptions.__name__:
            yield f"### {name}\n\n{_prose(cls.__doc__)}"


if __name__ == "__main__":
    sys.stdout.write(page())
