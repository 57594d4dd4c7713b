"""YAML as plain data, with the line of every key, and without YAML's traps.

Numbers, truths and nulls are those of YAML 1.2: `1e-3` is a number, `no`, `on` and `1:30` are text,
and a number with a leading zero is refused, because some would read it as octal. The trap: a
small file can unfold into a huge one through aliases, so depth, aliases and nodes are capped.
"""

from __future__ import annotations

import math
import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

import yaml

from labmon.errors import ConfigError

if TYPE_CHECKING:
    from pathlib import Path as FilePath

MAX_BYTES: Final = 1 << 20
MAX_DEPTH: Final = 64
MAX_ALIASES: Final = 200
MAX_NODES: Final = 200_000

Path = tuple[str | int, ...]
"""Keys and list positions that lead to a value."""

_TAG: Final = "tag:yaml.org,2002:"
_INT: Final = re.compile(r"[-+]?(?:0|[1-9][0-9]*)|0x[0-9a-fA-F]+|0o[0-7]+", re.ASCII)
_LEADING_ZERO: Final = re.compile(r"[-+]?0[0-9_]+", re.ASCII)
_FLOAT: Final = re.compile(
    r"[-+]?(?:[0-9]+\.[0-9]*|\.[0-9]+|[0-9]+(?=[eE]))(?:[eE][-+]?[0-9]+)?|[-+]?\.inf|\.nan",
    re.ASCII,
)
_EXPLAINED: Final = {
    "'\\t'": "a tab; indent with spaces",
    "cannot start any token": "put the text in quotes",
    "mapping values are not allowed": (
        "text with ': ' in it needs quotes; or the indent is off;"
        " or a key above has no space behind its ':'"
    ),
    "unknown escape character": "in double quotes '\\' begins an escape: use single quotes",
    "expected ':'": "a key is followed by ': ' and its value, or the indentation is off",
    "expected <block end>": "the lines of one block begin in the same column",
    "undefined alias": "a text that begins with '*' needs quotes",
    "expected a single document": "the file holds one document; remove the '---'",
}


@dataclass(frozen=True, slots=True)
class Mark:
    """A place in a file, printed as `config.yaml:12`."""

    file: str
    line: int

    def __str__(self) -> str:
        """The place as editors and people read it."""
        return f"{self.file}:{self.line}" if self.line else self.file


@dataclass(frozen=True, slots=True)
class Problem:
    """What is wrong at a place, and what would be right."""

    mark: Mark
    text: str

    def __str__(self) -> str:
        """One line, the place first."""
        return f"{self.mark}: {self.text}"


@dataclass(slots=True)
class Document:
    """What a file says.

    Attributes:
        data: dicts, lists, text, numbers, truths and None.
        marks: the line of each key and list element, by the path that leads there.
        problems: what is wrong with it as YAML although it could be read.
    """

    data: Any = None
    marks: dict[Path, Mark] = field(default_factory=dict[Path, Mark])
    problems: list[Problem] = field(default_factory=list[Problem])


def raise_problems(problems: list[Problem]) -> None:
    """Raise a ConfigError that names all problems, in the order of the file; nothing if none."""
    if problems:
        ordered = sorted(problems, key=lambda problem: (problem.mark.file, problem.mark.line))
        raise ConfigError("\n".join(dict.fromkeys(map(str, ordered))))


def load(path: FilePath) -> Document:
    """The document in a file.

    Raises:
        ConfigError: it cannot be read, is over 1 MiB, not UTF-8, or no YAML.
    """
    try:
        if path.stat().st_size > MAX_BYTES:
            raise ConfigError(f"{path}: over 1 MiB; a configuration has some kilobytes")
        raw = path.read_bytes()
    except OSError as error:
        raise ConfigError(f"{path}: cannot be read: {error.strerror or error}") from None
    try:
        text = raw.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = raw.count(b"\n", 0, error.start) + 1
        raise ConfigError(
            f"{path}:{line}: byte 0x{raw[error.start]:02x} is not UTF-8; save the file as UTF-8"
        ) from None
    return parse(text, str(path))


def parse(text: str, file: str) -> Document:
    """The document in a text; `file` is its name in messages.

    Raises:
        ConfigError: it is no YAML, or too deep or too large once its aliases are followed.
    """
    try:
        node = _Loader(text, file).get_single_node()
    except yaml.reader.ReaderError as error:
        line = text.count("\n", 0, error.position) + 1
        raise ConfigError(f"{file}:{line}: a character that YAML does not allow") from None
    except yaml.MarkedYAMLError as error:
        raise ConfigError(_syntax_text(error, file)) from None
    builder = _Builder(file)
    if node is not None:
        builder.document.data = builder.value(node, ())
    return builder.document


def _syntax_text(error: yaml.MarkedYAMLError, file: str) -> str:
    mark = error.problem_mark or error.context_mark
    place = f"{file}:{mark.line + 1}" if mark else file
    context = error.context
    if context and error.context_mark and mark and error.context_mark.line < mark.line:
        context += f" that begins on line {error.context_mark.line + 1}"
    said = ", ".join(part for part in (context, error.problem) if part)
    why = next((why for sign, why in _EXPLAINED.items() if sign in said), "")
    return f"{place}: {said}" + (f" ({why})" if why else "")


class _Loader(yaml.SafeLoader):
    """Composes nodes with the types of YAML 1.2; refuses what nests or refers too much."""

    yaml_implicit_resolvers: dict[str, Any] = {}  # noqa: RUF012 - the library's own way

    def __init__(self, text: str, file: str) -> None:
        super().__init__(text)
        self._file = file
        self._depth = 0
        self._aliases = 0

    def compose_node(self, parent: yaml.Node | None, index: int) -> yaml.Node | None:
        line = self.peek_event().start_mark.line + 1
        self._aliases += self.check_event(yaml.AliasEvent)
        if self._aliases > MAX_ALIASES:
            raise ConfigError(f"{self._file}:{line}: more than {MAX_ALIASES} aliases (*name)")
        if self._depth >= MAX_DEPTH:
            raise ConfigError(f"{self._file}:{line}: nested deeper than {MAX_DEPTH} levels")
        self._depth += 1
        try:
            return super().compose_node(parent, index)
        finally:
            self._depth -= 1


for _kind, _text, _first in (
    ("null", r"~|null|Null|NULL|", ["~", "n", "N", ""]),
    ("bool", r"true|True|TRUE|false|False|FALSE", list("tTfF")),
    ("int", _INT.pattern, list("-+0123456789")),
    ("float", _FLOAT.pattern, list("-+.0123456789")),
    ("merge", r"<<", ["<"]),
):
    _Loader.add_implicit_resolver(_TAG + _kind, re.compile(rf"(?:{_text})\Z", re.ASCII), _first)


class _Builder:
    """Makes plain data of nodes, and notes where everything stands."""

    def __init__(self, file: str) -> None:
        self.document = Document()
        self._file = file
        self._nodes = 0
        self._merging = 0

    def value(self, node: yaml.Node, path: Path) -> Any:
        self._count(node, len(path))
        if isinstance(node, yaml.MappingNode) and node.tag == _TAG + "map":
            return self._mapping(node, path)
        if isinstance(node, yaml.SequenceNode) and node.tag == _TAG + "seq":
            return [self._element(child, (*path, i)) for i, child in enumerate(node.value)]
        if isinstance(node, yaml.ScalarNode):
            return self._scalar(node)
        self._refuse_tag(node)
        return None

    def _count(self, node: yaml.Node, depth: int) -> None:
        self._nodes += 1
        if self._nodes > MAX_NODES or depth > MAX_DEPTH:
            raise ConfigError(
                f"{self._mark(node)}: too large once its aliases (*name) are followed"
            )

    def _element(self, node: yaml.Node, path: Path) -> Any:
        self.document.marks[path] = self._mark(node)
        return self.value(node, path)

    def _mapping(self, node: yaml.MappingNode, path: Path) -> dict[str | int, Any]:
        data: dict[str | int, Any] = {}
        merged: list[yaml.Node] = []
        seen: dict[str | int, int] = {}
        for key_node, value_node in node.value:
            if key_node.tag == _TAG + "merge":
                many = isinstance(value_node, yaml.SequenceNode)
                merged += value_node.value if many else [value_node]
                continue
            key = self._key(key_node)
            if key is None:
                continue
            if key in seen:
                self._problem(key_node, f"the key {key!r} stands already on line {seen[key]}")
                continue
            seen[key] = self._mark(key_node).line
            self.document.marks[*path, key] = self._mark(key_node)
            data[key] = self.value(value_node, (*path, key))
        for other in merged:
            self._merge(other, path, data)
        return data

    def _merge(self, node: yaml.Node, path: Path, data: dict[str | int, Any]) -> None:
        """Take over the keys of another mapping that this one has not itself."""
        if not isinstance(node, yaml.MappingNode):
            self._problem(node, "'<<' takes a mapping, or a list of mappings")
            return
        self._merging += 1  # a mapping may refer to itself
        self._count(node, self._merging)
        marks = dict(self.document.marks)
        for key, value in self._mapping(node, path).items():
            data.setdefault(key, value)
        self.document.marks |= marks  # what stands here itself has its own place
        self._merging -= 1

    def _key(self, node: yaml.Node) -> str | int | None:
        if isinstance(node, yaml.ScalarNode):
            key = self._scalar(node)
            if isinstance(key, str) or (isinstance(key, int) and not isinstance(key, bool)):
                return key
        self._problem(node, "a key is text or a whole number; put other text in quotes")
        return None

    def _scalar(self, node: yaml.ScalarNode) -> Any:
        text: str = node.value
        kind = node.tag.removeprefix(_TAG)
        if kind == "str":
            if node.style is None and _LEADING_ZERO.fullmatch(text):
                bare = str(int(text))
                self._problem(
                    node,
                    f"{text} begins with 0, which some read as octal:"
                    f" write {bare}, or '{text}' in quotes for text",
                )
            return text
        if kind == "null":
            return None
        if kind == "bool" and text.lower() in {"true", "false"}:
            return text.lower() == "true"
        if kind in {"int", "float"}:
            return self._number(node, kind)
        self._refuse_tag(node)
        return None

    def _number(self, node: yaml.ScalarNode, kind: str) -> int | float | None:
        text: str = node.value
        try:
            if kind == "int":
                return int(text, 0)
            if text.lstrip("+-") in {".inf", ".nan"}:
                return float(text.replace(".", "", 1))
            number = float(text)
        except ValueError:  # more than 4300 digits, or an explicit tag on what is none
            self._problem(node, f"{text[:40]!r} is no number that can be kept")
            return None
        if math.isinf(number):
            self._problem(node, f"{text} is too large for a number")
        return number

    def _refuse_tag(self, node: yaml.Node) -> None:
        tag = node.tag.replace(_TAG, "!!")
        self._problem(node, f"the tag {tag} is not allowed: write plain text, numbers, lists, keys")

    def _problem(self, node: yaml.Node, text: str) -> None:
        self.document.problems.append(Problem(self._mark(node), text))

    def _mark(self, node: yaml.Node) -> Mark:
        return Mark(self._file, node.start_mark.line + 1)
