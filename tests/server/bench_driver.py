"""An instrument for the tests of commands: a level with its readback, and ways to fail."""

import threading
from typing import Annotated

from labmon.device import (
    Channel,
    Driver,
    InstrumentError,
    Limits,
    command,
)


class Bench(Driver):
    """A level that can be set."""

    level = Channel(unit="%", description="as set")
    count = Channel(description="polls")

    def __init__(self) -> None:
        self.value = 0.0
        self.polls = 0
        self.go = threading.Event()
        self.begun = threading.Event()

    def poll(self):
        self.polls += 1
        return {"level": self.value, "count": self.polls}

    def abort(self):
        self.go.set()

    @command
    def set_level(self, percent: Annotated[float, Limits(0, 100, unit="%")]) -> float:
        """Set the level.

        Args:
            percent: of full scale.
        """
        self.value = percent
        return percent

    @command
    def add(self, percent: float) -> float:
        """Add to the level: twice is not once."""
        self.value += percent
        return self.value

    @command
    def refuse(self) -> None:
        """Fail as an instrument does."""
        raise InstrumentError("E5: shutter open")

    @command
    def stumble(self) -> None:
        """Fail as a driver with a bug does."""
        raise ZeroDivisionError("secret")

    @command(timeout_s=0.05)
    def hang(self) -> None:
        """Take longer than allowed."""
        self.go.wait(60)

    @command(timeout_s=60)
    def ramp(self, percent: float) -> float:
        """Go to a level once the test says so."""
        self.begun.set()
        self.go.wait(60)
        self.value = percent
        return percent

    @command
    def echo(self, text: str) -> str:
        """Say it again."""
        return text
