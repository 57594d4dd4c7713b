"""`Poller`: keeps one device connected and polls it on a grid of deadlines, whatever happens to it.

One task on the event loop for each device; everything that blocks goes to the worker. The trap: the
driver's results are used only here, after they arrived in time; what a call that hung returns in
the end is thrown away.
"""

from __future__ import annotations

import asyncio
import functools
import logging
import threading
from typing import TYPE_CHECKING, Final, TypeVar

from labmon.device.deadlines import LONGEST_S, Backoff, Grid
from labmon.device.outbox import Outbox
from labmon.device.worker import DriverBugError, HungError
from labmon.errors import LabmonError

if TYPE_CHECKING:
    from collections.abc import Callable

    from labmon.device.driver import Driver
    from labmon.device.report import Report
    from labmon.device.source import Answer, Source
    from labmon.device.worker import Worker

log = logging.getLogger(__name__)

Result = TypeVar("Result")

ABORT_AGAIN_S: Final = 10.0
FAILURES: Final = (LabmonError, OSError, DriverBugError)


class Poller:
    """The life of one device: connect, poll, fall back, try again.

    Args:
        driver: only its `abort()` is called here.
        source: what asks the driver, on the worker's thread.
        worker: the thread, perhaps shared.
        report: told everything.
        period_s: from poll to poll.
        timeout_s: how long one call may take.

    Attributes:
        is_enabled: set by `enable` and `disable`.
    """

    def __init__(
        self,
        driver: Driver,
        source: Source,
        worker: Worker,
        report: Report,
        *,
        period_s: float,
        timeout_s: float,
    ) -> None:
        self._driver = driver
        self._source = source
        self._worker = worker
        self._report = report
        self._name = report.name
        self._period_s = period_s
        self._timeout_s = timeout_s
        self._backoff = Backoff()
        self._wake = asyncio.Event()
        self._is_fresh = True
        self._wants_reconnect = False
        self.is_enabled = True

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
            await asyncio.sleep(LONGEST_S)

    async def _live(self) -> None:
        """From one attempt to connect to the end of the wait for the next."""
        while not self.is_enabled:
            self._report.disabled()
            self._wake.clear()
            await self._wake.wait()
        self._wants_reconnect = False
        began_s = self._now_s()
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
            now_s = self._now_s()
            await self._pause(now_s + self._backoff.next_s(now_s - began_s))

    async def _session(self) -> None:
        """Connect and read; returns when told to disconnect, raises when it fails."""
        limit_s = max(self._timeout_s, self._driver.connect_timeout_s)
        self._report.adopt(await self._run("connect()", self._source.connect, limit_s))
        since_s = self._now_s()
        if not self._goes_on:  # it was disabled while it connected
            return
        try:
            if self._source.is_stream:
                await self._follow()
            else:
                await self._poll_on_grid()
        finally:
            self._backoff.was_up(self._now_s() - since_s)

    @property
    def _goes_on(self) -> bool:
        return self.is_enabled and not self._wants_reconnect

    async def _poll_on_grid(self) -> None:
        answer = await self._ask()
        self._report.online()
        due_s = answer.start_s
        grid = Grid(self._period_s, due_s, self._name)
        while True:
            self._report.took(answer, due_s)
            if self._now_s() >= grid.due_s:
                missed = grid.missed
                grid.advance(self._now_s())
                self._report.counters.missed += grid.missed - missed
            await self._pause(grid.due_s)
            if not self._goes_on:
                return
            # what a command wakes is not late
            due_s = min(grid.due_s, self._now_s())
            answer = await self._ask()

    async def _ask(self) -> Answer:
        return await self._run("poll()", self._source.ask, self._timeout_s)

    async def _follow(self) -> None:
        outbox = Outbox(self._report.pushed)
        is_up = False
        try:
            while self._goes_on:
                has_spoken = await self._pull(outbox, only_one=not is_up)
                # an outage is over when the instrument speaks, not when its port can be opened
                if not is_up and (has_spoken or self._report.lifecycle.state == "connecting"):
                    is_up = True
                    self._report.online()
        finally:
            outbox.close()

    async def _pull(self, outbox: Outbox, *, only_one: bool) -> bool:
        dropped = outbox.dropped
        pull = functools.partial(self._source.pull, outbox, only_one=only_one)
        has_spoken = await self._run("stream()", pull, self._timeout_s)
        self._report.dropped(outbox.dropped - dropped)
        return has_spoken

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
            await self._run("disconnect()", self._source.disconnect, self._timeout_s)
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
