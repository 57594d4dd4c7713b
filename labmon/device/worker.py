"""`Worker`: the one thread on which everything that blocks of a device, or of a bus, runs in turn.

Calls queue on the event loop, first come, first served, so a time limit counts from when a call
begins. The trap: a thread cannot be killed; a call that hangs keeps the thread, and everybody else
who wants it is told at once, until it returns.
"""

from __future__ import annotations

import asyncio
from collections import deque
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING, Any, Generic, TypeVar

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


@dataclass(slots=True, eq=False)
class Run(Generic[Result]):
    """One call that waits for its turn, runs, or is over; made on the event loop.

    Args:
        owner: the device, for messages.
        what: a phrase for messages: `poll()`.
        call: what runs on the thread.
        limit_s: how long it may run, not counting the wait for its turn.
        ended: told what came of it, however long its caller waited; not if it never began because
            nobody waited any more.

    Attributes:
        outcome: for whoever waits; settled before its turn, the call never begins.
        is_begun: whether it had its turn.
    """

    owner: str
    what: str
    call: Callable[[], Result]
    limit_s: float
    ended: Callable[[Run[Any], BaseException | None], None] | None = None
    outcome: asyncio.Future[Result] = field(init=False)
    is_begun: bool = field(default=False, init=False)
    _is_over: bool = field(default=False, init=False)

    def __post_init__(self) -> None:
        self.outcome = asyncio.get_running_loop().create_future()

    def end(self, result: Any, error: BaseException | None = None) -> None:
        """Tell what came of it; what comes later is thrown away."""
        if self._is_over:
            return
        self._is_over = True
        if not self.outcome.done():  # or whoever waited has gone
            if error is None:
                self.outcome.set_result(result)
            else:
                self.outcome.set_exception(error)
        if self.ended is not None:
            self.ended(self, error)


class Worker:
    """One thread, and the queue of those who want it; called on the event loop only.

    Args:
        name: of the thread: the device, or the bus.
    """

    def __init__(self, name: str) -> None:
        self.name = name
        self.executor: ThreadPoolExecutor | None = None
        self._queue: deque[Run[Any]] = deque()
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
        self, owner: str, what: str, call: Callable[[], Result], limit_s: float
    ) -> Result:
        """Run a blocking call on the thread, when it is its turn; see `Run`.

        If the caller is cancelled while the call runs, the call runs on to its end.

        Raises:
            HungError: it did not return in time; or another call hangs, and this one did not begin.
            LabmonError, OSError: as raised by the call.
            DriverBugError: anything else that it raised, `SystemExit` included.
        """
        run = Run(owner, what, call, limit_s)
        self.start(run)
        return await run.outcome

    def start(self, run: Run[Any]) -> None:
        """Begin a call, or let it wait for its turn; what `run` raises is in its outcome."""
        if self._hung is not None:
            run.end(None, HungError(self._hung.owner, self._hung.hung, run.what))
        elif self._is_taken:
            self._queue.append(run)
        else:
            self._begin(run)

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

    def _begin(self, run: Run[Any]) -> None:
        try:
            future = self._call(run.call)
        except RuntimeError as error:  # no thread can be started
            problem = OSError(f"{run.what} cannot run: {error}")
            problem.__cause__ = error
            run.end(None, problem)
            return
        self._is_taken = run.is_begun = True
        timer = asyncio.get_running_loop().call_later(run.limit_s, self._hang, run, future)
        future.add_done_callback(partial(self._returned, run, timer))

    def _returned(
        self, run: Run[Any], timer: asyncio.TimerHandle, future: asyncio.Future[Any]
    ) -> None:
        timer.cancel()
        result, error = future.result()
        try:
            run.end(result, None if error is None else _told(error))
        finally:
            self._pass_on()

    def _pass_on(self) -> None:
        """The thread is free: give it to who waits longest."""
        self._hung = None
        self._is_taken = False
        self._free.set()
        while self._queue and not self._is_taken:
            following = self._queue.popleft()
            if not following.outcome.done():
                self._begin(following)

    def _hang(self, run: Run[Any], future: asyncio.Future[Any]) -> None:
        if future.done():  # the event loop was late, not the call
            return
        hung = f"{run.what} did not return within {run.limit_s:g} s"
        self._hung = HungError(run.owner, hung)
        run.end(None, HungError(run.owner, hung))
        queue, self._queue = self._queue, deque()
        for waiting in queue:
            if not waiting.outcome.done():
                waiting.end(None, HungError(run.owner, hung, waiting.what))


def _told(error: BaseException) -> BaseException:
    """What a call raised, as `run` raises it."""
    if isinstance(error, LabmonError | OSError):
        return error
    text = str(error)
    bug = DriverBugError(f"{type(error).__name__}: {text}" if text else type(error).__name__)
    bug.__cause__ = error
    return bug
