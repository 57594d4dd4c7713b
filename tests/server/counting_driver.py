"""An instrument for the live tests: ten channels that count, 1,000 readings a second at 100 Hz."""

from labmon.device import Channel, Driver

CHANNELS = tuple(f"ch{number}" for number in range(10))


class Counting(Driver):
    """Every value is used once in the life of the process."""

    def __init__(self) -> None:
        self.channels = {name: Channel() for name in CHANNELS}
        self.polls = 0

    def poll(self):
        self.polls += 1
        return {name: 10 * self.polls + number for number, name in enumerate(CHANNELS)}


class Chatty(Driver):
    """A kilobyte of text with every poll."""

    text = Channel(kind="nominal")

    def __init__(self) -> None:
        self.polls = 0

    def poll(self):
        self.polls += 1
        return {"text": f"{self.polls:06} {'x' * 1000}"}
