"""`Calls`: commands on their way to a driver, in turn with each other and with the polls.

On the event loop. The trap: a caller may lose patience while the call goes on; what then comes of
it is still counted and logged, but nobody is told that it did not happen.
"""

from __future__ import annotations

import asyncio
import functools
from typing import TYPE_CHECKING, Any, Final

from pydantic_core import to_jsonable_python

from labmon.device.worker import DriverBugError, HungError
from labmon.errors import InstrumentError, InstrumentTimeoutError, OfflineError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from labmon.device.command import Command
    from labmon.device.driver import Driver
    from labmon.device.report import Report
    from labmon.device.worker import Worker

MAX_WAITING: Final = 200


class Calls:
    """The commands of one device that run or wait.

    Args:
        driver: whose methods they are.
        worker: where they run.
        report: counts what fails.
        done: told when the last one that waited has ended: there is something new to read.
    """

    def __init__(
        self, driver: Driver, worker: Worker, report: Report, done: Callable[[], None]
    ) -> None:
        self._driver = driver
        self._worker = worker
        self._report = report
        self._done = done
        self._tasks: set[asyncio.Task[Any]] = set()

    async def call(
        self, command: Command, kwargs: Mapping[str, Any], limit_s: float, timeout_s: float
    ) -> Any:
        """Carry out one command; returns plain data.

        Args:
            command: what.
            kwargs: checked.
            limit_s: how long it may run before it counts as hung.
            timeout_s: how long the caller waits, the turn included.

        Raises:
            OfflineError: it was not begun, as another call hangs, or the server stops.
            InstrumentTimeoutError: it did not finish in time.
            InstrumentError, BadRequestError, DriverBugError: it failed.
        """
        if len(self._tasks) >= MAX_WAITING:
            raise InstrumentError(f"{len(self._tasks)} commands of {self._report.name} wait")
        begun = asyncio.Event()
        task = self._start(command, kwargs, max(limit_s, timeout_s), begun)
        try:
            await asyncio.wait((task,), timeout=timeout_s)
            if task.done():
                return _result(task, begun.is_set())
        finally:
            if not begun.is_set():
                task.cancel()  # nobody waits for it, so it shall not happen later
        what = f"{self._report.name}.{command.name}"
        if begun.is_set():
            raise InstrumentTimeoutError(
                f"{what} did not finish within {timeout_s:g} s; it may still happen"
            )
        raise InstrumentTimeoutError(
            f"{what} was not begun, as its turn did not come within {timeout_s:g} s"
        )

    async def cancel(self) -> None:
        """Give up what waits; what runs on the thread runs on."""
        tasks = list(self._tasks)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    def _start(
        self, command: Command, kwargs: Mapping[str, Any], limit_s: float, begun: asyncio.Event
    ) -> asyncio.Task[Any]:
        name = self._report.name
        job = functools.partial(_run, command, self._driver, kwargs)
        run = self._worker.run(name, f"{command.name}()", job, limit_s, begun.set)
        task = asyncio.create_task(run, name=f"{name}.{command.name}")
        self._tasks.add(task)
        task.add_done_callback(self._ended)
        return task

    def _ended(self, task: asyncio.Task[Any]) -> None:
        self._tasks.discard(task)
        if task.cancelled():
            return
        if error := task.exception():
            text = f"{task.get_name()}: {error}"
            self._report.counters.failed(text, self._report.clock.now_ns())
        if isinstance(error, DriverBugError):
            self._report.bug(error, task.get_name())
        if not self._tasks:
            self._done()


def _run(command: Command, driver: Driver, kwargs: Mapping[str, Any]) -> Any:
    """On the worker's thread."""
    return to_jsonable_python(command.run(driver, kwargs))


def _result(task: asyncio.Task[Any], was_begun: bool) -> Any:
    name = task.get_name()
    try:
        return task.result()
    except asyncio.CancelledError:
        raise OfflineError(f"{name} was given up, as labmon stops") from None
    except HungError as error:
        if was_begun:
            raise InstrumentTimeoutError(f"{name}: {error}; it may still happen") from error
        raise OfflineError(f"{name} was not begun: {error.hung}") from error
    except OSError as error:
        raise InstrumentError(f"{name}: the connection broke: {error}") from error
