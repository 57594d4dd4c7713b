"""The log on stderr: one line for each message, whatever instruments and callers put into it.

Warnings of Python go there too. The trap: a line break or an escape sequence in a name could forge
lines, or obey a terminal; only tracebacks, which are ours, have several lines.
"""

from __future__ import annotations

import logging
import re
import warnings
from typing import Final

FORMAT: Final = "%(asctime)s %(levelname)-7s %(name)s: %(message)s"
_CONTROLS: Final = re.compile(r"[\x00-\x08\x0a-\x1f\x7f-\x9f\u2028\u2029\ud800-\udfff]")


class OneLineFormatter(logging.Formatter):
    """Writes control characters as escapes, a line break as backslash and n."""

    def formatMessage(self, record: logging.LogRecord) -> str:  # noqa: N802 - logging's name
        """The line without what would end or colour it."""
        return _CONTROLS.sub(_escaped, super().formatMessage(record))


def set_up(*, is_verbose: bool) -> None:
    """Send the log to stderr, for the whole process."""
    handler = logging.StreamHandler()
    handler.setFormatter(OneLineFormatter(FORMAT))
    logging.basicConfig(level=logging.DEBUG if is_verbose else logging.INFO, handlers=[handler])
    warnings.formatwarning = _in_one_line
    logging.captureWarnings(capture=True)


def _in_one_line(
    message: Warning | str,
    category: type[Warning],
    filename: str,
    lineno: int,
    line: str | None = None,
) -> str:
    """A warning without the line of code that gave it: `line`, which Python would add below."""
    return f"{category.__name__}: {message} ({filename}:{lineno})"


def _escaped(match: re.Match[str]) -> str:
    return repr(match[0])[1:-1]
