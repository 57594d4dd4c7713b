"""`Worker`: the one thread on which everything that blocks of a device, or of a bus, runs in turn.

Calls queue on the event loop, first come, first served, so a time limit counts from when a call
begins. The trap: a thread cannot be killed; a call that hangs keeps the thread, and everybody else
who wants it is told at once, until it returns.
"""

from __future__ import annotations

import asyncio
from collections import deque
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any, TypeVar

from tornado.concurrent import run_on_executor

from labmon.errors import InstrumentTimeoutError, LabmonError

if TYPE_CHECKING:
    from collections.abc import Callable

Result = TypeVar("Result")


class HungError(InstrumentTimeoutError):
    """A call did not return in its time, and still holds the thread.

    Attributes:
        owner: the device whose call hangs.
        hung: what hangs, in words; for a call that waited behind it, the message says more.
    """

    def __init__(self, owner: str, hung: str, waiting: str = "") -> None:
        super().__init__(f"{waiting} was not begun, as {owner}'s {hung}" if waiting else hung)
        self.owner = owner
        self.hung = hung


class DriverBugError(Exception):
    """A driver raised what drivers do not raise on purpose; the cause is what it raised."""


class Worker:
    """One thread, and the queue of those who want it; called on the event loop only.

    Args:
        name: of the thread: the device, or the bus.
    """

    def __init__(self, name: str) -> None:
        self.name = name
        self.executor: ThreadPoolExecutor | None = None
        self._queue: deque[asyncio.Future[None]] = deque()
        self._is_taken = False
        self._hung: HungError | None = None
        self._free = asyncio.Event()
        self._free.set()
        self._users = 0

    @property
    def is_hung(self) -> bool:
        """Whether a call is over its time and has still not returned."""
        return self._hung is not None

    @property
    def is_busy(self) -> bool:
        """Whether a call runs now."""
        return self._is_taken

    async def run(
        self,
        owner: str,
        what: str,
        call: Callable[[], Result],
        limit_s: float,
        begins: Callable[[], None] | None = None,
    ) -> Result:
        """Run a blocking call on the thread, when it is its turn.

        If the caller is cancelled while the call runs, the call runs on to its end.

        Args:
            owner: the device, for messages.
            what: a phrase for messages: `poll()`.
            call: what runs on the thread.
            limit_s: how long it may run, not counting the wait for its turn.
            begins: told on the event loop just before it runs.

        Raises:
            HungError: it did not return in time; or another call hangs, and this one did not begin.
            LabmonError, OSError: as raised by the call.
            DriverBugError: anything else that it raised, `SystemExit` included.
        """
        await self._turn(what)
        if begins is not None:
            begins()
        try:
            future = self._call(call)
        except RuntimeError as error:  # no thread can be started
            self._pass_on()
            raise OSError(f"{what} cannot run: {error}") from error
        future.add_done_callback(self._pass_on)
        await asyncio.wait((future,), timeout=limit_s)
        if not future.done():
            raise self._hang(owner, f"{what} did not return within {limit_s:g} s")
        result, error = future.result()
        if error is None:
            return result
        raise _told(error)

    async def freed(self) -> None:
        """Wait until no call hangs."""
        while self._hung is not None:
            self._free.clear()
            await self._free.wait()

    async def idle(self, timeout_s: float) -> bool:
        """Wait until nothing runs; returns whether that came true in time."""
        try:
            async with asyncio.timeout(timeout_s):
                while self._is_taken:
                    self._free.clear()
                    await self._free.wait()
        except TimeoutError:
            return False
        return True

    def join(self) -> None:
        """One more device uses the thread."""
        if self._users == 0:  # it has no thread before its first call
            self.executor = ThreadPoolExecutor(max_workers=1, thread_name_prefix=self.name)
        self._users += 1

    def leave(self) -> None:
        """One less; after the last one the thread ends when its call has returned."""
        self._users -= 1
        if self._users == 0 and self.executor is not None:
            self.executor.shutdown(wait=False)

    @run_on_executor
    def _call(self, call: Callable[[], Any]) -> tuple[Any, BaseException | None]:
        try:
            return call(), None
        except BaseException as error:  # noqa: BLE001  SystemExit in a driver must not end the loop
            return None, error

    async def _turn(self, what: str) -> None:
        if self._hung is not None:
            raise HungError(self._hung.owner, self._hung.hung, what)
        if not self._is_taken:
            self._is_taken = True
            return
        turn: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._queue.append(turn)
        try:
            await turn
        except HungError as error:
            raise HungError(error.owner, error.hung, what) from None
        except asyncio.CancelledError:
            if turn.done() and not turn.cancelled() and turn.exception() is None:
                self._pass_on()  # it was given to us just as we left
            raise

    def _pass_on(self, _future: object = None) -> None:
        """The thread is free: give it to who waits longest."""
        self._hung = None
        self._is_taken = False
        self._free.set()
        while self._queue and not self._is_taken:
            turn = self._queue.popleft()
            if not turn.done():
                turn.set_result(None)
                self._is_taken = True

    def _hang(self, owner: str, hung: str) -> HungError:
        self._hung = HungError(owner, hung)
        while self._queue:
            turn = self._queue.popleft()
            if not turn.done():
                turn.set_exception(HungError(owner, hung))
        return HungError(owner, hung)


def _told(error: BaseException) -> BaseException:
    """What a call raised, as `run` raises it."""
    if isinstance(error, LabmonError | OSError):
        return error
    text = str(error)
    bug = DriverBugError(f"{type(error).__name__}: {text}" if text else type(error).__name__)
    bug.__cause__ = error
    return bug
