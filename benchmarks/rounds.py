"""Interleaved rounds, their medians and spread, and the table of it in docs/performance.md.

The contenders run in turn, A B C A B C, so that what the machine does meanwhile hits all of them.
The trap: a ratio is taken within each round and its median is told; the ratio of two medians would
compare moments that have nothing to do with each other.
"""

import argparse
import contextlib
import datetime
import os
import platform
import sqlite3
import statistics
from importlib import metadata
from pathlib import Path

import numpy as np

PAGE = Path(__file__).resolve().parent.parent / "docs" / "performance.md"


def arguments(description, **sizes):
    """The options that all benchmarks have: `--quick`, `--rounds`, `--write`, and sizes.

    Args:
        description: what is measured.
        sizes: name -> (full, quick): a number that `--NAME` sets.
    """
    parser = argparse.ArgumentParser(description=description)
    parser.add_argument("--quick", action="store_true", help="small sizes, to see that it runs")
    parser.add_argument("--rounds", type=int, help="how often each contender runs (5; quick: 2)")
    parser.add_argument("--without", default="", help="contenders to leave out, with commas")
    parser.add_argument("--write", action="store_true", help=f"put the table into {PAGE.name}")
    parser.add_argument("--folder", help="where the data is written; a temporary one by default")
    for name, (full, quick) in sizes.items():
        parser.add_argument(f"--{name}", type=float, help=f"default {full}; quick: {quick}")
    chosen = parser.parse_args()
    chosen.rounds = chosen.rounds or (2 if chosen.quick else 5)
    for name, both in sizes.items():
        if getattr(chosen, name) is None:
            setattr(chosen, name, both[chosen.quick])
    return chosen


async def interleaved(rounds, contenders):
    """What each contender answers, round by round.

    Args:
        rounds: how many.
        contenders: name -> coroutine function, called with the number of the round.

    Returns:
        name -> [answer of each round].
    """
    found = {name: [] for name in contenders}
    for number in range(rounds):
        for name, run in contenders.items():
            found[name].append(await run(number))
    return found


class Spread:
    """Numbers of several rounds: their median, least and most."""

    def __init__(self, values, digits=3):
        self.values = [float(value) for value in values]
        self.median = statistics.median(self.values)
        self._digits = digits

    def __str__(self):
        words = [number(value, self._digits) for value in (self.median, *self._ends)]
        return words[0] if words[1] == words[2] else f"{words[0]} ({words[1]}-{words[2]})"

    @property
    def _ends(self):
        return min(self.values), max(self.values)


def ratios(these, those):
    """The ratio of two contenders in each round."""
    return Spread([a / b for a, b in zip(these, those, strict=True)], 2)


def number(value, digits=3):
    """A number with so many significant digits, thousands apart."""
    if value == 0 or not np.isfinite(value):
        return str(value)
    places = max(0, digits - 1 - int(np.floor(np.log10(abs(value)))))
    return f"{round(value, digits - 1 - int(np.floor(np.log10(abs(value))))):,.{places}f}"


def table(head, rows):
    """A table in Markdown."""
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join("| " + " | ".join(map(str, line)) + " |" for line in lines)


def versions(*distributions):
    """What was measured: the versions of Python and of what takes part."""
    known = [f"Python {platform.python_version()}", f"SQLite {sqlite3.sqlite_version}"]
    for name in ("labmon-server", *distributions):
        with contextlib.suppress(metadata.PackageNotFoundError):  # not there: did not take part
            known.append(f"{name} {metadata.version(name)}")
    return ", ".join(known)


def report(name, method, body, chosen, *distributions):
    """Print a table with its circumstances, and put it into the page where that is asked for."""
    today = datetime.datetime.now(datetime.UTC).date().isoformat()
    rounds = f"{chosen.rounds} rounds in turn, medians (least-most)"
    text = (
        f"{today}, {os.cpu_count()} cores, {rounds if chosen.rounds > 1 else 'one round'};"
        f" {versions(*distributions)}.\n\n{method}\n\n{body}"
    )
    print(text)
    if chosen.write:
        PAGE.write_text(replaced(PAGE.read_text(), name, text))


def replaced(page, name, text):
    """A page with what stands between the markers of a benchmark replaced.

    Raises:
        ValueError: it has no such markers.
    """
    first, last = f"<!-- {name}: written by script/bench {name} -->", f"<!-- end of {name} -->"
    before, found, rest = page.partition(first)
    _, closed, after = rest.partition(last)
    if not found or not closed:
        raise ValueError(f"the page has no place for {name}: {first} ... {last}")
    return f"{before}{first}\n\n{text}\n\n{last}{after}"
