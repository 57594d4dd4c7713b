"""`Poller`: keeps one device connected and polls it on a grid of deadlines, whatever happens to it.

One task on the event loop for each device; everything that blocks goes to the worker. The trap: the
driver's results are used only here, after they arrived in time; what a call that hung returns in
the end is thrown away.
"""

from __future__ import annotations

import asyncio
import logging
import threading
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, TypeVar

from labmon.device.channels import check_channels
from labmon.device.deadlines import PATIENT_S, Backoff, Grid
from labmon.device.driver import Timed
from labmon.device.worker import DriverBugError, HungError
from labmon.errors import LabmonError
from labmon.reading import Quality
from labmon.timestamps import check_range

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from labmon.device.driver import Driver
    from labmon.device.report import Report
    from labmon.device.worker import Worker
    from labmon.reading import Batch, Channel

log = logging.getLogger(__name__)

Result = TypeVar("Result")

ABORT_AGAIN_S: Final = 10.0
FAILURES: Final = (LabmonError, OSError, DriverBugError)


@dataclass(frozen=True, slots=True)
class Answer:
    """What one poll gave, and when: monotonic seconds."""

    batch: Batch | None
    start_s: float
    duration_s: float


class Poller:
    """The life of one device: connect, poll, fall back, try again.

    Args:
        driver: called on the worker's thread only, except for `abort()`.
        worker: the thread, perhaps shared.
        report: told everything.
        period_s: from poll to poll.
        timeout_s: how long one call may take.

    Attributes:
        is_enabled: set by `enable` and `disable`.
        identity: what the instrument said it is.
    """

    def __init__(
        self, driver: Driver, worker: Worker, report: Report, period_s: float, timeout_s: float
    ) -> None:
        self._driver = driver
        self._worker = worker
        self._report = report
        self._name = report.name
        self._period_s = period_s
        self._timeout_s = timeout_s
        self._backoff = Backoff()
        self._wake = asyncio.Event()
        self._is_fresh = True
        self._wants_reconnect = False
        self._steps = report.clock.steps
        self.is_enabled = True
        self.identity = ""

    def enable(self) -> None:
        """Connect and poll from now on."""
        self.is_enabled = True
        self._is_fresh = True
        self._wake.set()

    def disable(self) -> None:
        """Disconnect, and stay so."""
        self.is_enabled = False
        self._wake.set()

    def reconnect(self) -> None:
        """Disconnect and connect anew, now."""
        self._wants_reconnect = True
        self._is_fresh = True
        self._wake.set()

    def poll_now(self) -> None:
        """Poll once beside the grid: something changed."""
        self._wake.set()

    async def run(self) -> None:
        """Until cancelled."""
        while True:
            try:
                while True:
                    await self._live()
            except Exception:
                log.exception("%s: labmon's own poller failed; it goes on", self._name)
            await asyncio.sleep(PATIENT_S)

    async def _live(self) -> None:
        """From one attempt to connect to the end of the wait for the next."""
        while not self.is_enabled:
            self._report.disabled()
            self._wake.clear()
            await self._wake.wait()
        self._wants_reconnect = False
        if self._is_fresh:
            self._is_fresh = False
            self._report.connecting()
        try:
            await self._session()
        except HungError as error:
            await self._sit_out(error)
        except FAILURES as error:
            self._report.failed(error)
        await self._close()
        if self.is_enabled and not self._wants_reconnect:
            await self._pause(self._now_s() + self._backoff.next_s())

    async def _session(self) -> None:
        """Connect and poll; returns when told to disconnect, raises when it fails."""
        limit_s = max(self._timeout_s, self._driver.connect_timeout_s)
        self._report.adopt(await self._run("connect()", self._connect, limit_s))
        answer = await self._ask()
        self._report.online()
        since_s = answer.start_s
        grid = Grid(self._period_s, since_s, self._name)
        try:
            while True:
                self._take(answer, grid)
                await self._pause(grid.due_s)
                if not self.is_enabled or self._wants_reconnect:
                    return
                answer = await self._ask()
        finally:
            self._backoff.was_up(self._now_s() - since_s)

    def _connect(self) -> Mapping[str, Channel]:
        """On the worker's thread."""
        self._driver.connect()
        self.identity = self._driver.identify()
        return check_channels(self._name, self._driver.channels)

    async def _ask(self) -> Answer:
        return await self._run("poll()", self._poll, self._timeout_s)

    def _poll(self) -> Answer:
        """On the worker's thread: ask, and stamp with the middle between request and reply."""
        clock = self._report.clock
        start_s, before_ns, steps = time.monotonic(), clock.now_ns(), clock.steps
        polled = self._driver.poll()
        after_ns = clock.now_ns()
        is_same = clock.steps == steps
        time_ns = (before_ns + after_ns) // 2 if is_same else after_ns
        if isinstance(polled, Timed):
            time_ns, polled = check_range(polled.time_ns), polled.readings
        flags = 0 if clock.steps == self._steps else Quality.CLOCK_STEP
        self._steps = clock.steps
        batch = self._report.intake.batch(time_ns, polled, flags)
        return Answer(batch, start_s, time.monotonic() - start_s)

    def _take(self, answer: Answer, grid: Grid) -> None:
        counters = self._report.counters
        counters.polled(answer.start_s, answer.duration_s)
        self._report.took(answer.batch)
        if self._now_s() >= grid.due_s:
            missed = grid.missed
            grid.advance(self._now_s())
            counters.missed += grid.missed - missed

    async def _sit_out(self, error: HungError) -> None:
        """Wait until the call that hangs has returned; close the transport under one of ours."""
        is_ours = error.owner == self._name
        if is_ours:
            self._report.stuck(error)
        else:
            self._report.failed(error)
        freed = asyncio.create_task(self._worker.freed(), name=f"{self._name} waits for its thread")
        freed.add_done_callback(lambda _: self._wake.set())
        aborter = None
        try:
            while self._worker.is_hung:
                if is_ours and (aborter is None or not aborter.is_alive()):
                    aborter = self.abort()
                await self._pause(self._now_s() + ABORT_AGAIN_S)
                if not self.is_enabled:
                    self._report.disabled()
        finally:
            freed.cancel()
        if self.is_enabled:
            self._report.freed()

    def abort(self) -> threading.Thread:
        """Call the driver's `abort()` on a thread of its own, as that may hang too."""
        thread = threading.Thread(target=self._abort, name=f"{self._name} abort", daemon=True)
        thread.start()
        return thread

    def _abort(self) -> None:
        try:
            self._driver.abort()
        except Exception as error:
            log.warning("%s: abort() failed: %s", self._name, error, exc_info=error)

    async def _close(self) -> None:
        try:
            await self._run("disconnect()", self._driver.disconnect, self._timeout_s)
        except HungError as error:
            await self._sit_out(error)
        except DriverBugError as error:
            self._report.bug(error, "disconnect()")
        except (LabmonError, OSError) as error:
            log.debug("%s: disconnect() failed: %s", self._name, error)

    async def _run(self, what: str, call: Callable[[], Result], limit_s: float) -> Result:
        return await self._worker.run(self._name, what, call, limit_s)

    async def _pause(self, until_s: float) -> None:
        """Wait for a monotonic time, or until somebody wakes us."""
        timer = asyncio.get_running_loop().call_at(until_s, self._wake.set)
        try:
            await self._wake.wait()
        finally:
            timer.cancel()
            self._wake.clear()

    @staticmethod
    def _now_s() -> float:
        return asyncio.get_running_loop().time()
