r"""DeCoF, the command line of TOPTICA's DLC pro and its relatives: Scheme-like expressions.

    > (param-ref 'laser1:dl:pc:voltage-act)\n
    55.123\n
    >

Values are `#t`, `#f`, numbers, `"text"` and lists. Manual: TOPTICA "DLC pro Command Reference". The
trap: the prompt `> ` has no line end, so an answer is over when the prompt stands at its end.
"""

from __future__ import annotations

import re
from typing import Any, Final

from labmon.device import InstrumentError

PROMPT: Final = b"\n> "
MAX_BYTES: Final = 1 << 16
MAX_DEPTH: Final = 10
NAME: Final = re.compile(r"[A-Za-z][\w\-]*(?::[A-Za-z0-9][\w\-]*)*")

_TOKEN: Final = re.compile(
    r"\s*(?:(?P<open>[(\[])|(?P<close>[)\]])|(?P<text>\"(?:[^\"\\]|\\.)*\")|(?P<word>[^\s()\[\]\"]+))"
)
_ESCAPED: Final = re.compile(r"\\(.)", re.DOTALL)


class RefusedError(InstrumentError):
    """The controller understood, and answered with an error of its own."""


class Replies:
    """Cuts what the command line says into answers, each without its prompt."""

    def __init__(self) -> None:
        self._rest = bytearray()

    def feed(self, data: bytes) -> list[str]:
        """The answers that are complete now.

        Raises:
            InstrumentError: one does not end.
        """
        self._rest += data.replace(b"\r", b"")
        *answers, rest = bytes(self._rest).split(PROMPT)
        self._rest[:] = rest
        if len(rest) > MAX_BYTES:
            self._rest.clear()
            raise InstrumentError(f"an answer of more than {MAX_BYTES} bytes")
        return [answer.decode("utf-8", "replace").strip() for answer in answers]


def parse(text: str) -> Any:
    """A value: True, False, a number, text, a list, or None for `()`-less nothing.

    Raises:
        RefusedError: it is an error message.
        InstrumentError: it is no value.
    """
    if text.startswith("Error:"):
        raise RefusedError(text[:200])
    tokens = _tokens(text)
    value, rest = _value(tokens, MAX_DEPTH)
    if rest:
        raise InstrumentError(f"{text[:80]!r} is no single value")
    return value


def reference(names: list[str]) -> str:
    """The expression that asks for several parameters at once."""
    return "`(" + " ".join(f",(param-ref '{checked_name(name)})" for name in names) + ")"


def assignment(name: str, value: float | str | bool) -> str:
    """The expression that sets a parameter."""
    return f"(param-set! '{checked_name(name)} {written(value)})"


def written(value: float | str | bool) -> str:
    """A value as an expression has it."""
    if isinstance(value, bool):
        return "#t" if value else "#f"
    if isinstance(value, str):
        return '"' + value.replace("\\", "\\\\").replace('"', '\\"') + '"'
    return repr(value)


def checked_name(name: str) -> str:
    """The name of a parameter, `laser1:dl:cc:current-act`.

    Raises:
        ValueError: it is none.
    """
    if not NAME.fullmatch(name):
        raise ValueError(f"{name!r} is no name of a parameter such as laser1:dl:cc:current-act")
    return name


def _tokens(text: str) -> list[re.Match[str]]:
    tokens: list[re.Match[str]] = []
    at = 0
    while text[at:].strip():
        match = _TOKEN.match(text, at)
        if match is None:
            raise InstrumentError(f"{text[:80]!r} is no value")
        tokens.append(match)
        at = match.end()
    return tokens


def _value(tokens: list[re.Match[str]], depth: int) -> tuple[Any, list[re.Match[str]]]:
    if not tokens or not depth:
        raise InstrumentError("a value is cut off, or too deep")
    first, rest = tokens[0], tokens[1:]
    if first["word"]:
        return _word(first["word"]), rest
    if first["text"]:
        return _ESCAPED.sub(r"\1", first["text"][1:-1]), rest
    if first["close"]:
        raise InstrumentError("a value begins with a closing bracket")
    values: list[Any] = []
    while rest and not rest[0]["close"]:
        value, rest = _value(rest, depth - 1)
        values.append(value)
    if not rest:
        raise InstrumentError("a list does not end")
    return values, rest[1:]


def _word(word: str) -> Any:
    if word in {"#t", "#f"}:
        return word == "#t"
    try:
        return int(word) if word.lstrip("+-").isdecimal() else float(word)
    except ValueError:
        raise InstrumentError(f"{word[:40]!r} is no value") from None
