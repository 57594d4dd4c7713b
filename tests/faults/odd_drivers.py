"""Drivers that misbehave, for the configurations of the fault tests."""

import math
import threading

import numpy as np

from labmon.device import Channel, Driver


class Hung(Driver):
    """Its first poll answers, its second never returns, and nothing wakes it."""

    value = Channel(unit="V")

    def __init__(self):
        self.polls = 0

    def poll(self):
        self.polls += 1
        if self.polls > 1:
            threading.Event().wait()
        return {"value": 1.0}

    def abort(self):
        """Closing the transport does not help this one."""


class Raises(Driver):
    """Every poll fails, in a way of its own."""

    value = Channel(unit="V")

    def __init__(self):
        self.polls = 0

    def poll(self):
        self.polls += 1
        raise [SystemExit, MemoryError, RecursionError, ValueError][self.polls % 4]("no luck")


class Steady(Driver):
    """Counts its polls."""

    count = Channel()

    def __init__(self):
        self.polls = 0

    def poll(self):
        self.polls += 1
        return {"count": self.polls}


class Many(Driver):
    """Fifty channels that count the polls: a lot to keep while the store is away."""

    def __init__(self):
        self.polls = 0
        self.channels = {f"c{number}": Channel() for number in range(50)}

    def poll(self):
        self.polls += 1
        return dict.fromkeys(self.channels, self.polls)


class Odd(Driver):
    """Returns a number that is none, or hardly one, on each of its channels."""

    count, nan, infinite, none, largest, larger, huge, truth, text, thing, numpy, list = (
        Channel() for _ in range(12)
    )

    def __init__(self):
        self.polls = 0

    def poll(self):
        self.polls += 1
        return {
            "nan": math.nan,
            "infinite": math.inf,
            "none": None,
            "largest": 2**63 - 1,
            "larger": 2**63,
            "huge": 10**5000,
            "truth": True,
            "text": "7",
            "thing": object(),
            "numpy": np.float32(1.5),
            "list": [1.0],
            "undeclared": 1.0,
            "count": self.polls,
        }
