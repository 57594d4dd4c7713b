"""`Source`: asks the driver, stamps what it says, and adds readbacks; on the device's thread only.

The time of a batch is the middle between request and reply. The trap: the system clock may be set
while the instrument thinks; then the middle of two times means nothing, and the reply's counts.
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from labmon.device.channels import all_channels
from labmon.device.driver import Driver, Polled, Timed
from labmon.errors import OfflineError
from labmon.reading import Quality
from labmon.timestamps import check_range

if TYPE_CHECKING:
    from collections.abc import Iterator

    from labmon.device.outbox import Outbox
    from labmon.device.parameter import Parameters
    from labmon.device.report import Report
    from labmon.reading import AnyBatch, Channel

PULL_S: Final = 0.1
"""How long readings are taken from a stream before commands get their turn."""


@dataclass(frozen=True, slots=True)
class Answer:
    """What one poll gave, and when: monotonic seconds."""

    batches: list[AnyBatch]
    start_s: float
    duration_s: float


class Source:
    """The driver as the poller sees it.

    Args:
        driver: connected, asked and disconnected here.
        parameters: whose readbacks are read beside the poll.
        report: has the clock, and the intake of the channels as they are now.

    Attributes:
        is_stream: whether the driver pushes.
        identity: what the instrument said it is.
    """

    def __init__(self, driver: Driver, parameters: Parameters, report: Report) -> None:
        self._driver = driver
        self._parameters = parameters
        self._report = report
        self._steps = report.clock.steps
        self._stream: Iterator[Polled | None] | None = None
        self.is_stream = type(driver).stream is not Driver.stream
        self.identity = ""

    def connect(self) -> dict[str, Channel]:
        """Connect; returns the channels, which only the instrument may know."""
        self._driver.connect()
        self.identity = self._driver.identify()
        self._parameters.reconnected()
        return all_channels(self._report.name, self._driver)

    def disconnect(self) -> None:
        """End the stream, then the connection."""
        stream, self._stream = self._stream, None
        try:
            close: Any = getattr(stream, "close", None)  # generators have it, iterators need not
            if close is not None:
                close()
        finally:
            self._driver.disconnect()

    def ask(self) -> Answer:
        """Poll once."""
        clock = self._report.clock
        start_s, before_ns, steps = time.monotonic(), clock.now_ns(), clock.steps
        polled = self._driver.poll()
        after_ns = clock.now_ns()
        middle_ns = (before_ns + after_ns) // 2 if clock.steps == steps else after_ns
        batches = self._batches(polled, middle_ns)
        return Answer(batches, start_s, time.monotonic() - start_s)

    def pull(self, outbox: Outbox, *, only_one: bool) -> bool:
        """Take readings from the stream for a while, at least one or None.

        Returns:
            whether anything but None came.

        Raises:
            OfflineError: the stream ended.
        """
        if self._stream is None:
            self._stream = iter(self._driver.stream())
        end_s = time.monotonic() + PULL_S
        has_spoken = False
        while True:
            try:
                polled = next(self._stream)
            except StopIteration:
                raise OfflineError("its stream ended") from None
            batches = self._batches({} if polled is None else polled, self._report.clock.now_ns())
            has_spoken = has_spoken or polled is not None
            if batches:
                outbox.put(batches)
            if only_one or time.monotonic() >= end_s:
                return has_spoken

    def _batches(self, polled: Polled, time_ns: int) -> list[AnyBatch]:
        if isinstance(polled, Timed):
            time_ns, polled = check_range(polled.time_ns), polled.readings
        if isinstance(polled, Mapping) and (readbacks := self._readbacks(polled)):
            polled = {**polled, **readbacks}
        steps = self._report.clock.steps
        flags = 0 if steps == self._steps else Quality.CLOCK_STEP
        self._steps = steps
        return self._report.intake.batches(time_ns, polled, flags)

    def _readbacks(self, polled: Mapping[str, Any]) -> dict[str, Any]:
        return self._parameters.readings(self._driver, polled, time.monotonic())
