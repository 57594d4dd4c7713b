"""`Calls`: commands on their way to a driver, in turn with each other and with the polls.

On the event loop. The trap: a caller may lose patience while the call goes on; what then comes of
it is still counted and logged, but nobody is told that it did not happen.
"""

from __future__ import annotations

import asyncio
import functools
from typing import TYPE_CHECKING, Any, Final

import numpy as np
from pydantic_core import to_jsonable_python

from labmon.device.worker import DriverBugError, HungError, Run
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
        self._names: dict[Run[Any], str] = {}

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
        if len(self._names) >= MAX_WAITING:
            raise InstrumentError(f"{len(self._names)} commands of {self._report.name} wait")
        name = f"{self._report.name}.{command.name}"
        job = functools.partial(_run, command, self._driver, kwargs)
        limit_s = max(limit_s, timeout_s)
        run = Run(self._report.name, f"{command.name}()", job, limit_s, self._ended)
        self._names[run] = name
        self._worker.start(run)
        patience = None
        if not run.is_begun or timeout_s < limit_s:  # else the limit ends both
            loop = asyncio.get_running_loop()
            patience = loop.call_later(timeout_s, _lose_patience, run, name, timeout_s)
        try:
            return await run.outcome
        except HungError as error:
            if run.is_begun:
                raise InstrumentTimeoutError(f"{name}: {error}; it may still happen") from error
            raise OfflineError(f"{name} was not begun: {error.hung}") from error
        except OSError as error:
            raise InstrumentError(f"{name}: the connection broke: {error}") from error
        finally:
            if patience is not None:
                patience.cancel()
            if not run.is_begun:
                self._names.pop(run, None)  # nobody waits for it, so it will not happen later

    def give_up(self) -> None:
        """Tell all who wait that labmon stops; what runs on the thread runs on."""
        names, self._names = self._names, {}
        for run, name in names.items():
            if not run.outcome.done():
                run.outcome.set_exception(OfflineError(f"{name} was given up, as labmon stops"))

    def _ended(self, run: Run[Any], error: BaseException | None) -> None:
        name = self._names.pop(run, None)
        if name is None:
            return
        if error is not None:
            self._report.counters.failed(f"{name}: {error}", self._report.clock.now_ns())
        if isinstance(error, DriverBugError):
            self._report.bug(error, name)
        if not self._names:
            # behind the caller, who answers first: a poll would take time from that
            asyncio.get_running_loop().call_soon(self._done)


def _run(command: Command, driver: Driver, kwargs: Mapping[str, Any]) -> Any:
    """On the worker's thread."""
    return to_jsonable_python(command.run(driver, kwargs), fallback=_plain)


def _plain(result: object) -> object:
    """Numpy's numbers and arrays as Python's.

    Raises:
        TypeError: it is something else that cannot travel.
    """
    if isinstance(result, np.generic | np.ndarray):
        return result.tolist()
    raise TypeError(f"a command cannot return a {type(result).__name__}: use plain data")


def _lose_patience(run: Run[Any], name: str, timeout_s: float) -> None:
    if run.outcome.done():
        return
    if run.is_begun:
        text = f"{name} did not finish within {timeout_s:g} s; it may still happen"
    else:
        text = f"{name} was not begun, as its turn did not come within {timeout_s:g} s"
    run.outcome.set_exception(InstrumentTimeoutError(text))
