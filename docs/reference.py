"""docs/datastream.md: the reference of the time-series library, made from its docstrings.

`python docs/reference.py > docs/datastream.md` writes it; a test compares. The trap: what is said
here is said in the code, so a sentence is mended there.
"""

from __future__ import annotations

import inspect
import re
import sys
from typing import TYPE_CHECKING, Any

from labmon import datastream
from labmon.datastream import exceptions

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

INTRODUCTION = """\
# The datastream library

`labmon.datastream` keeps time series: streams found by tags, values with qualities and nanoseconds,
rollups that are always right, derived streams. It stands alone: nothing of the server is needed, or
imported. This page is made from the docstrings by `docs/reference.py`.

```python
import asyncio

from labmon import datastream
from labmon.datastream import Granularity


async def main():
    # or sqlite:///data/labmon.db, mongodb://HOST/DATABASE
    async with datastream.open("memory:") as streams:
        laser = await streams.ensure_stream(
            {"path": "wavemeter/ch1"},
            {"unit": "THz"},
            {"mean", "min", "max", "std_dev"},
            Granularity.Raw,
        )
        await streams.append(laser, 384.230484468)
        await streams.append(laser, 384.230484471)
        await streams.commit()  # durable from here on
        minutes = await streams.get_data(
            laser, Granularity.Minutes, start=0, value_downsamplers={"mean"}
        )
        print(await minutes.fetch())


asyncio.run(main())
```

Times are taken as integer nanoseconds since 1970 UTC, as `datetime` (naive means UTC) or as
`numpy.datetime64`, and returned as integer nanoseconds.
"""
SECTION = re.compile(r"(Args|Returns|Raises|Yields|Attributes|Example):")


def page() -> str:
    """The whole page."""
    parts = [INTRODUCTION, "## Opening a store\n", *_callable("open", datastream.open)]
    for name in ("Datastream", "Streams", "Datapoints", "Granularity", "Retention", "Rejection"):
        parts += [f"## {name}\n", *_class(getattr(datastream, name))]
    return "\n".join([*parts, "## Exceptions and warnings\n", *_exceptions()]).rstrip() + "\n"


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
    found = inspect.signature(target, eval_str=False).parameters.values()
    parameters = [_plain(p) for p in found if p.name != "self"]
    signature = _signature(parameters)
    yield f"### {name}\n\n```python\n{word}{name}{signature}\n```\n"
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
    """A docstring as Markdown: sections as bold words, their entries as a list."""
    lines: list[str] = []
    is_list = False
    for line in inspect.cleandoc(docstring or "").splitlines():
        if SECTION.fullmatch(line):
            is_list = True
            lines.append(f"**{line[:-1]}**\n")
        elif not is_list or not line.strip():
            lines.append(line)
        else:
            lines.append(_entry(line[4:]))
    return "\n".join(lines).rstrip() + "\n"


def _entry(line: str) -> str:
    if line.startswith(" "):
        return "  " + line.strip()
    name, colon, rest = line.partition(": ")
    is_name = colon and re.fullmatch(r"[\w, *]+", name)
    return f"- `{name}`: {rest}" if is_name else f"- {line}"


def _exceptions() -> Iterator[str]:
    tree = inspect.cleandoc(exceptions.__doc__ or "")
    yield "```text"
    yield "\n".join(line[4:] for line in tree.splitlines() if line.startswith("    "))
    yield "```\n"


if __name__ == "__main__":
    sys.stdout.write(page())
