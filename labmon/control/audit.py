"""The audit: each command leaves a reading on `DEVICE/_commands` and a line in the log.

Refused commands too; what only reads, only where it fails. The trap: parameters and results come
from outside and may be huge; here they are cut, and line breaks are kept out of the log.
"""

from __future__ import annotations

import asyncio
import logging
import re
from typing import TYPE_CHECKING, Any, Final

import orjson

from labmon.control.codes import INTERNAL_ERROR, TIMED_OUT, code_of

if TYPE_CHECKING:
    from collections.abc import Callable

    from labmon.control.caller import Caller
    from labmon.reading import Value

log = logging.getLogger(__name__)

MAX_BYTES: Final = 2048
"""Longer parameters and results are cut to a text of this length."""
_CONTROLS: Final = re.compile(r"[\x7f-\x9f\u2028\u2029]")
"""What JSON lets pass and a terminal might obey."""


class Audit:
    """Writes what was commanded; on the event loop only.

    Args:
        record: publishes one nominal reading: path, value.
    """

    def __init__(self, record: Callable[[str, Value], None]) -> None:
        self._record = record

    def leave(
        self,
        device: str,
        command: str,
        params: object,
        caller: Caller,
        duration_ms: float,
        *,
        result: object = None,
        error: BaseException | None = None,
    ) -> None:
        """Record one command, carried out or refused.

        The record is made at once, the line in the log when the caller's answer is out: writing
        it takes as long as the command's way through labmon.
        """
        entry: dict[str, Any] = {
            "command": command,
            "params": short({} if params is None else params),
            "who": caller.who,
            "role": caller.role,
            "from": caller.origin,
            "ok": error is None,
            "duration_ms": round(duration_ms, 3),
        }
        if error is None:
            entry["result"] = short(result)
        else:
            entry["error"] = _failure(error)
        self._record(f"{device}/_commands", entry)
        asyncio.get_running_loop().call_soon(_say, device, entry)


def short(value: object) -> Any:
    """The value as plain data, or the beginning of its JSON where that is over 2 kB."""
    text = _json(value)
    if len(text) <= MAX_BYTES:
        return orjson.loads(text)
    return text[:MAX_BYTES] + f"... ({len(text)} characters)"


def _say(device: str, entry: dict[str, Any]) -> None:
    log.info("command %s %s", device, _CONTROLS.sub(_escaped, _json(entry)))


def _failure(error: BaseException) -> dict[str, Any]:
    if isinstance(error, asyncio.CancelledError):
        return {"code": TIMED_OUT, "message": "labmon gave it up under way; it may still happen"}
    return {"code": code_of(error), "message": _reason(error)}


def _reason(error: BaseException) -> str:
    text = f"{type(error).__name__}: {error}" if code_of(error) == INTERNAL_ERROR else str(error)
    text = text.encode("utf-8", "replace").decode()  # it may quote half a surrogate pair
    return text if len(text) <= MAX_BYTES else text[:MAX_BYTES] + "..."


def _escaped(match: re.Match[str]) -> str:
    return f"\\u{ord(match[0]):04x}"


def _json(value: object) -> str:
    options = orjson.OPT_SERIALIZE_NUMPY | orjson.OPT_NON_STR_KEYS
    try:
        return orjson.dumps(value, default=repr, option=options).decode()
    except TypeError:  # an integer over 64 bits, half a surrogate pair, too deep
        return orjson.dumps(repr(value).encode("utf-8", "replace").decode()).decode()
